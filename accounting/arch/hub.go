package arch

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// FromDir reads the config.json in a directory.
func FromDir(fsys fs.FS, dir string, opt Options) (*Model, error) {
	return FromFile(fsys, path.Join(dir, "config.json"), opt)
}

// FromFile reads one config.json.
func FromFile(fsys fs.FS, name string, opt Options) (*Model, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := Import(name, f, opt)
	if err != nil {
		return nil, err
	}
	m.Source = name
	return m, nil
}

// FromHubCache reads the config.json that a download left in a Hugging Face
// cache, whose folder ("hub") fsys is. The repository is "org/name". The newest
// download of branch main is taken: refs/main names its snapshot. A repository
// that is not in the cache gives an error that is [fs.ErrNotExist].
func FromHubCache(fsys fs.FS, repo string, opt Options) (*Model, error) {
	dir := "models--" + strings.ReplaceAll(repo, "/", "--")
	if strings.Contains(dir, "..") || strings.ContainsAny(dir, `\/`) {
		return nil, fmt.Errorf("%q is not a repository name: want org/name", clip(repo))
	}
	named := func(m *Model, err error) (*Model, error) {
		if m != nil {
			m.Name = repo
		}
		return m, err
	}
	ref, err := fs.ReadFile(fsys, path.Join(dir, "refs", "main"))
	if err == nil {
		return named(FromDir(fsys, path.Join(dir, "snapshots", path.Base(strings.TrimSpace(string(ref)))), opt))
	}
	snapshots, err := fs.ReadDir(fsys, path.Join(dir, "snapshots"))
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots { // a download by commit leaves no refs/main
		name := path.Join(dir, "snapshots", s.Name())
		if _, err := fs.Stat(fsys, path.Join(name, "config.json")); err == nil {
			return named(FromDir(fsys, name, opt))
		}
	}
	return nil, fmt.Errorf("%s: %w: no snapshot has a config.json", dir, fs.ErrNotExist)
}
