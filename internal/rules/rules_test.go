package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// A goFile is one source file of the module.
type goFile struct {
	path    string // from the root of the module
	pkg     string // import path within the module: "accounting/arch"
	test    bool
	syntax  *ast.File
	imports []string
}

func sources(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() && path != root {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own
			}
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		f := goFile{path: filepath.ToSlash(rel), pkg: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(name, "_test.go"), syntax: syntax}
		for _, i := range syntax.Imports {
			f.imports = append(f.imports, strings.Trim(i.Path.Value, `"`))
		}
		files = append(files, f)
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// A ban says what a package, or any package of ours that it imports, must not
// import. A trailing slash in banned covers everything below.
type ban struct {
	packages []string
	banned   []string
	why      string
}

var bans = []ban{
	{
		[]string{"accounting", "accounting/arch"},
		[]string{"os", "os/", "net", "net/", "syscall", "path/filepath", "time", "math/rand", "math/rand/v2", "log", "log/"},
		"a formula is a pure function of its arguments: no file, network, clock, chance or log",
	},
	{
		[]string{"accounting", "accounting/arch", "grids", "hardware"},
		[]string{"github.com/spf13/", "github.com/parquet-go/", "gonum.org/v1/plot", "golang.org/x/sync/"},
		"formulas and catalogs know nothing of studies, files, plots or workers",
	},
	{
		[]string{"accounting/arch", "grids", "hardware"},
		[]string{"headroom/accounting", "headroom/accounting/", "headroom/grids", "headroom/hardware", "headroom/results", "headroom/sweep", "headroom/cmd/"},
		"the lowest floor: imports point downward only, and beside it there is nothing to know",
	},
	{
		[]string{"accounting"},
		[]string{"headroom/grids", "headroom/results", "headroom/sweep", "headroom/cmd/"},
		"imports point downward only: accounting counts one case and does not know where cases come from or go to",
	},
	{
		[]string{"results", "grids"},
		[]string{"time", "math/rand", "math/rand/v2"},
		"a clock that jumps must not reach a case, a row, the name of a file or a decision about them",
	},
	{
		[]string{"results"},
		[]string{"headroom/sweep", "headroom/cmd/", "github.com/spf13/"},
		"imports point downward only: a dataset can be read without knowing how it was swept",
	},
	{
		[]string{"sweep"},
		[]string{"headroom/cmd/", "github.com/spf13/cobra", "github.com/spf13/pflag"},
		"imports point downward only: a study can be swept without a command line",
	},
	{
		[]string{"sweep/pick"},
		[]string{"headroom/cmd/", "headroom/results", "headroom/results/", "github.com/spf13/", "gonum.org/v1/plot"},
		"a choice is found without datasets, command lines or pictures; whoever asks draws it",
	},
	{
		[]string{"internal/suggest", "internal/digits", "results/plot"},
		[]string{"headroom/"},
		"a leaf that everybody may use",
	},
}

func TestImportsPointDownward(t *testing.T) {
	direct := map[string][]string{}
	for _, f := range sources(t) {
		if !f.test {
			direct[f.pkg] = append(direct[f.pkg], f.imports...)
		}
	}
	for _, b := range bans {
		for _, pkg := range b.packages {
			require.Contains(t, direct, pkg, "the rules name a package that is not there")
			for via, imports := range reach(direct, pkg) {
				for _, path := range imports {
					if matches(path, b.banned) {
						t.Errorf("%s must not import %s (it does in %s): %s", pkg, path, via, b.why)
					}
				}
			}
		}
	}
}

// reach is the imports of pkg and of every package of the module below it.
func reach(direct map[string][]string, pkg string) map[string][]string {
	out := map[string][]string{}
	todo := []string{pkg}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		if _, seen := out[p]; seen {
			continue
		}
		out[p] = direct[p]
		for _, i := range direct[p] {
			if ours, ok := strings.CutPrefix(i, "headroom/"); ok {
				todo = append(todo, ours)
			}
		}
	}
	return out
}

func matches(path string, banned []string) bool {
	return slices.ContainsFunc(banned, func(b string) bool {
		return path == b || strings.HasSuffix(b, "/") && strings.HasPrefix(path, b)
	})
}

// confined are imports that only the named files may have. A name ending in a
// slash is a folder.
var confined = []struct{ path, where, why string }{
	{"github.com/spf13/viper", "sweep/", "viper is one way of loading a study, in one place"},
	{"github.com/spf13/cobra", "cmd/headroom/", "the command line is not part of the libraries"},
	{"golang.org/x/term", "cmd/headroom/state.go", "only the process state asks about terminals"},
	{"github.com/parquet-go/parquet-go", "results/", "one package knows the file format"},
	{"gonum.org/v1/plot", "results/plot/", "one leaf draws, so that no library carries fonts and canvases along"},
	{"os/signal", "cmd/headroom/state.go", "only the process state talks to the system"},
}

func TestConfinedImports(t *testing.T) {
	viper := map[string]bool{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		for _, i := range f.imports {
			for _, c := range confined {
				if (i == c.path || strings.HasPrefix(i, c.path+"/")) && f.path != c.where && !strings.HasPrefix(f.path, c.where) {
					t.Errorf("%s imports %s, which belongs in %s: %s", f.path, i, c.where, c.why)
				}
			}
			if i == "github.com/spf13/viper" {
				viper[f.path] = true
			}
			if i == "os" && strings.HasPrefix(f.path, "cmd/headroom/") && f.path != "cmd/headroom/state.go" {
				t.Errorf("%s imports os: what belongs to the process is in the state", f.path)
			}
			if i == "C" {
				t.Errorf("%s uses cgo: headroom builds with the Go toolchain alone", f.path)
			}
		}
	}
	require.LessOrEqual(t, len(viper), 1, "viper lives in one file, not in %v", slices.Sorted(maps.Keys(viper)))
}

func TestLibrariesNeitherLogNorPrint(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || strings.HasPrefix(f.path, "cmd/") {
			continue
		}
		for _, i := range f.imports {
			if i == "log" || i == "log/slog" {
				t.Errorf("%s imports %s: libraries return what they have to say", f.path, i)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "fmt" && strings.HasPrefix(sel.Sel.Name, "Print") {
					t.Errorf("%s calls fmt.%s: libraries return what they have to say", f.path, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

func TestAccountingStartsNoGoroutine(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || f.pkg != "accounting" && f.pkg != "accounting/arch" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s starts a goroutine: concurrency lives in sweep", f.path)
			}
			return true
		})
	}
}

func TestRequireNotAssert(t *testing.T) {
	for _, f := range sources(t) {
		for _, i := range f.imports {
			if i == "github.com/stretchr/testify/assert" {
				t.Errorf("%s imports %s: use require, which stops at the first failure", f.path, i)
			}
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	docs := map[string]string{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		if f.syntax.Doc != nil {
			docs[f.pkg] += f.syntax.Doc.Text()
		} else if _, ok := docs[f.pkg]; !ok {
			docs[f.pkg] = ""
		}
	}
	for pkg, doc := range docs {
		want := "Package " + filepath.Base(pkg) + " "
		if strings.HasPrefix(pkg, "cmd/") {
			want = "Command " + filepath.Base(pkg) + " "
		}
		if !strings.HasPrefix(doc, want) {
			t.Errorf("package %s needs one doc comment that begins %q", pkg, want)
		}
	}
}

func TestModuleBuildsFromItsRegistryAlone(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(data), "module headroom\n"))
	for line := range strings.Lines(string(data)) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		require.NotContains(t, []string{"replace", "exclude"}, word, "such a directive hides what others get: %s", line)
	}
}

func TestMainIsThin(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "cmd/headroom/main.go"))
	require.NoError(t, err)
	_, code, _ := strings.Cut(string(data), "func main()")
	require.LessOrEqual(t, strings.Count(code, "\n"), 15)
}
