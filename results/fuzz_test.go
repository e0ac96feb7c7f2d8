package results

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// FuzzDatasetFiles replaces a text file of a dataset by any bytes: every command
// that reads or continues the dataset says so or succeeds, and none panics, hangs
// or loses a committed part.
func FuzzDatasetFiles(f *testing.F) {
	plan := testPlan(20, 10)
	whole := newMemFS()
	_, err := build(whole, "out", plan)
	require.NoError(f, err)
	want := whole.files()
	files := []string{planName, successName, "_committed/00001.json"}
	for i, name := range files {
		text := want[filepath.Join("out", name)]
		f.Add(uint8(i), text)
		for _, change := range [][2]string{
			{`"rows": 10`, `"rows": 11`},
			{`"cases": 20`, `"cases": 9223372036854775807`},
			{`"part_rows": 10`, `"part_rows": -1`},
			{`"part_rows": 10`, `"part_rows": 1e1`},
			{`"part": 1`, `"part": -1`},
			{`"bytes": `, `"bytes": -`},
			{`"sha256": "`, `"sha256": "x`},
			{"{", "["},
			{`"schema_version": 1`, `"schema_version": 0`},
			{`"fits"`, `"fitss"`},
			{`"study": {`, `"study": {"a": 1, `},
			{"}", "}}"},
			{`"run_id": "`, `"run_id": "0`},
		} {
			f.Add(uint8(i), strings.Replace(text, change[0], change[1], 1))
		}
		f.Add(uint8(i), strings.Repeat("[", 100_000))
		f.Add(uint8(i), "")
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		m := memFSOf(want)
		name := files[int(which)%len(files)]
		m.dirs[filepath.Join("out", filepath.Dir(name))].live[filepath.Base(name)].data = []byte(text)
		told := func(err error) {
			t.Helper()
			if err == nil {
				return
			}
			var hinted interface{ Hint() string }
			require.True(t, errors.As(err, &hinted), "%T: %v", err, err)
			require.NotEmpty(t, err.Error())
		}
		if d, err := Open(m, "out"); err != nil {
			told(err)
		} else if d.Parts() < 1000 { // more only take time: each is looked for
			_, err = d.Summary()
			told(err)
			v, err := d.Verify(t.Context())
			told(err)
			if err == nil && len(v.Missing) == 0 && v.Sound() {
				_, err = d.Top(t.Context(), TopOptions{Limit: 3})
				told(err)
			}
		}
		// The study itself always knows what to do.
		if err := resume(m, "out", plan); err != nil {
			told(err)
			require.Equal(t, planName, name, "all but the plan can be made again: %v", err)
			return
		}
		if name != planName {
			requireFiles(t, want, m.files(), name)
		}
	})
}

// FuzzForeignFile reads any bytes as a part whose marker vouches for them.
func FuzzForeignFile(f *testing.F) {
	good := encode(f, 20, testRow)
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)-8]))
	f.Add([]byte("PAR1PAR1"))
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "x")
		require.NoError(t, os.WriteFile(path, data, 0o666))
		r, err := OS().Open(path)
		require.NoError(t, err)
		defer r.Close()
		_ = decode(r, r.Size(), func(file *parquet.File) error {
			return scanFile(t.Context(), file, columns, func([]Row) error { return nil })
		})
	})
}
