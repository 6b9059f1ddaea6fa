package main

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fileSystem is what a run may read: clean path → content. Paths may be absolute, or lead up from where the run stands, as those
// of a real file system; a folder is there when a file in it is.
type fileSystem map[string][]byte

func newFileSystem(files map[string][]byte) fileSystem {
	clean := make(fileSystem, len(files))
	for name, content := range files {
		clean[path.Clean(name)] = content
	}
	return clean
}

func (f fileSystem) find(op, name string) (entry, error) {
	clean := path.Clean(name)
	if content, ok := f[clean]; ok {
		return entry{name: path.Base(clean), content: content}, nil
	}
	if len(f.within(clean)) > 0 || clean == "." {
		return entry{name: path.Base(clean), folder: true}, nil
	}
	return entry{}, &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
}

// within gives the parts of paths below a folder.
func (f fileSystem) within(folder string) []string {
	var below []string
	for name := range f {
		switch {
		case folder == ".":
			if !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../") {
				below = append(below, name)
			}
		case strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/"):
			below = append(below, strings.TrimPrefix(name, strings.TrimSuffix(folder, "/")+"/"))
		}
	}
	return below
}

func (f fileSystem) Open(name string) (fs.File, error) {
	found, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	return &file{entry: found, Reader: bytes.NewReader(found.content)}, nil
}

func (f fileSystem) Stat(name string) (fs.FileInfo, error) {
	found, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (f fileSystem) ReadFile(name string) ([]byte, error) {
	found, err := f.find("open", name)
	if err != nil {
		return nil, err
	}
	if found.folder {
		return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EISDIR}
	}
	return found.content, nil
}

func (f fileSystem) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := f.find("open", name); err != nil {
		return nil, err
	}
	clean := path.Clean(name)
	entries := map[string]fs.DirEntry{}
	for _, below := range f.within(clean) {
		first, _, deeper := strings.Cut(below, "/")
		entries[first] = fs.FileInfoToDirEntry(entry{name: first, content: f[path.Join(clean, first)], folder: deeper})
	}
	names := slices.Sorted(maps.Keys(entries))
	listed := make([]fs.DirEntry, len(names))
	for i, each := range names {
		listed[i] = entries[each]
	}
	return listed, nil
}

type entry struct {
	name    string
	content []byte
	folder  bool
}

func (e entry) Name() string       { return e.name }
func (e entry) Size() int64        { return int64(len(e.content)) }
func (e entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool        { return e.folder }
func (e entry) Sys() any           { return nil }
func (e entry) Mode() fs.FileMode {
	if e.folder {
		return fs.ModeDir | 0o555
	}
	return 0o444
}

type file struct {
	entry
	io.Reader
}

func (f *file) Stat() (fs.FileInfo, error) { return f.entry, nil }
func (f *file) Close() error               { return nil }
