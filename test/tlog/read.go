package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// read reads a log from a static web server with Torchwood's client, from entry start on: the checkpoint and its signature, every entry,
// each proven against the checkpoint's root, and the proof of the last entry by itself.
func read(url, vkey string, start int64) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	fetcher, err := torchwood.NewTileFetcher(url)
	if err != nil {
		return err
	}
	ctx := context.Background()
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return err
	}
	policy := torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(verifier.Name()), torchwood.SingleVerifierPolicy(verifier))
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	digest := sha256.New()
	var entries int64
	for index, entry := range client.AllEntries(ctx, checkpoint.Tree, start) {
		if index != start+entries {
			return fmt.Errorf("entry %d in the place of %d", index, start+entries)
		}
		digest.Write(entry)
		digest.Write([]byte("\n"))
		entries++
	}
	if err := client.Err(); err != nil {
		return err
	}
	if _, _, err := client.Entry(ctx, checkpoint.Tree, checkpoint.N-1); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"size": checkpoint.N, "entries": entries, "sha256": hex.EncodeToString(digest.Sum(nil)),
	})
}
