// Tlog reads a log that Remit has written with Go's own transparency-log library, and says whether both agree.
//
//	tlog FOLDER VKEY < claims.json
//	tlog read URL VKEY START
//
// The second reads a log that is served as static files (read.go).
// From the segments it makes the tree, and holds against it: the checkpoint and its signature, every full tile of hashes,
// the proofs of inclusion and consistency that it is given, which it also makes itself. It ends with an error at the
// first difference, and otherwise prints what it has seen as one line of JSON.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight   = 8
	lineBytesMax = 1 << 20
)

type claims struct {
	Inclusion []struct {
		Index int64    `json:"index"`
		Size  int64    `json:"size"`
		Proof []string `json:"proof"`
	} `json:"inclusion"`
	Consistency []struct {
		Before     int64    `json:"before"`
		Size       int64    `json:"size"`
		Proof      []string `json:"proof"`
		Checkpoint string   `json:"checkpoint"`
	} `json:"consistency"`
}

type seen struct {
	Records     int64 `json:"records"`
	Tiles       int   `json:"tiles"`
	Inclusion   int   `json:"inclusion"`
	Consistency int   `json:"consistency"`
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at >= int64(len(h)) {
			return nil, fmt.Errorf("no stored hash %d", at)
		}
		read[i] = h[at]
	}
	return read, nil
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 5 && os.Args[1] == "read" {
		start, err := strconv.ParseInt(os.Args[4], 10, 64)
		if err == nil {
			err = read(os.Args[2], os.Args[3], start)
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	if len(os.Args) != 3 {
		log.Fatal("usage: tlog FOLDER VKEY | tlog read URL VKEY START")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(folder, vkey string) error {
	var given claims
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		return err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	stored, records, err := readSegments(folder)
	if err != nil {
		return err
	}
	signed, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	size, root, err := openCheckpoint(signed, verifier)
	if err != nil {
		return err
	}
	if size > records {
		return fmt.Errorf("the checkpoint covers %d records of %d", size, records)
	}
	if got, err := tlog.TreeHash(size, stored); err != nil || got != root {
		return fmt.Errorf("the root of %d records is %v, not %v: %w", size, got, root, err)
	}
	result := seen{Records: records}
	if result.Tiles, err = checkTiles(folder, records, stored); err != nil {
		return err
	}
	for _, claim := range given.Inclusion {
		at, err := tlog.TreeHash(claim.Size, stored)
		if err != nil {
			return err
		}
		leaf := stored[tlog.StoredHashIndex(0, claim.Index)]
		proof, err := tlog.ProveRecord(claim.Size, claim.Index, stored)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(decoded(claim.Proof), claim.Size, at, claim.Index, leaf); err != nil {
			return fmt.Errorf("inclusion of %d in %d: %w", claim.Index, claim.Size, err)
		}
		if !same(proof, decoded(claim.Proof)) {
			return fmt.Errorf("another proof of %d in %d", claim.Index, claim.Size)
		}
		result.Inclusion++
	}
	for _, claim := range given.Consistency {
		newer, err := tlog.TreeHash(claim.Size, stored)
		if err != nil {
			return err
		}
		before, older, err := openCheckpoint([]byte(claim.Checkpoint), verifier)
		if err != nil || before != claim.Before {
			return fmt.Errorf("the checkpoint of %d: %d, %w", claim.Before, before, err)
		}
		proof, err := tlog.ProveTree(claim.Size, claim.Before, stored)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(decoded(claim.Proof), claim.Size, newer, claim.Before, older); err != nil {
			return fmt.Errorf("consistency of %d and %d: %w", claim.Before, claim.Size, err)
		}
		if !same(proof, decoded(claim.Proof)) {
			return fmt.Errorf("another proof from %d to %d", claim.Before, claim.Size)
		}
		result.Consistency++
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func readSegments(folder string) (hashes, int64, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		return nil, 0, err
	}
	sort.Strings(names)
	var stored hashes
	var records int64
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return nil, 0, err
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, lineBytesMax)
		for lines.Scan() {
			added, err := tlog.StoredHashes(records, lines.Bytes(), stored)
			if err != nil {
				return nil, 0, err
			}
			stored = append(stored, added...)
			records++
		}
		if err := lines.Err(); err != nil {
			return nil, 0, err
		}
		file.Close()
	}
	return stored, records, nil
}

func openCheckpoint(signed []byte, verifier note.Verifier) (int64, tlog.Hash, error) {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return 0, tlog.Hash{}, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return size, root, err
}

// checkTiles holds every file below tile/ against the tree, and counts that none is missing.
func checkTiles(folder string, records int64, stored hashes) (int, error) {
	wanted := 0
	for count := records >> tileHeight; count > 0; count >>= tileHeight {
		wanted += int(count)
	}
	found := 0
	root := filepath.Join(folder, "tile")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		// The library has the tiles' height in their paths.
		tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, filepath.ToSlash(relative)))
		if err != nil {
			return err
		}
		want, err := tlog.ReadTileData(tile, stored)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%s is another tile: %w", relative, err)
		}
		found++
		return nil
	})
	if err == nil && found != wanted {
		err = fmt.Errorf("%d tiles, not %d", found, wanted)
	}
	return found, err
}

func decoded(proof []string) []tlog.Hash {
	all := make([]tlog.Hash, len(proof))
	for i, text := range proof {
		hash, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(hash) != tlog.HashSize {
			log.Fatalf("%q is no hash", text)
		}
		copy(all[i][:], hash)
	}
	return all
}

func same(a, b []tlog.Hash) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
