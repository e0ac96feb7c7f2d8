package sweep

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"headroom/grids"
)

func TestGoodStudy(t *testing.T) {
	s, err := Load(Source{File: "testdata/good.yaml"})
	require.NoError(t, err)
	names := make([]string, len(s.Models))
	for i, m := range s.Models {
		names[i] = m.Name
	}
	require.Equal(t, []string{"gpt2", "llama-3.1-8b", "./tiny.json", "mine", "llama-3@1B", "llama-3@3B"}, names)
	one := grids.Ints(1)
	require.Equal(t, &Study{
		Name: "everything",
		Axes: []Axis{
			{"model", grids.Strings(names...)},
			{"context", grids.Ints(1024, 2048)},
			{"global_batch", grids.Ints(512, 1024)},
			{"micro_batch", grids.Ints(1, 2, 3, 4)},
			{"accelerator", grids.Strings("h100-sxm", "mi300x")},
			{"gpus", grids.Ints(8, 16, 32, 64)},
			{"tp", grids.Ints(1, 2)},
			{"sp", []grids.Value{grids.BoolValue(true), grids.BoolValue(false)}},
			{"pp", one},
			{"vpp", one},
			{"cp", one},
			{"ep", one},
			{"dp", grids.Ints(8, 16, 32, 64)},
			{"zero", grids.Ints(0, 1)},
			{"recompute", grids.Strings("none", "full")},
			{"attention", grids.Strings("flash")},
			{"recipe", grids.Strings("bf16-mixed")},
			{"profile", grids.Strings("seed")},
			{"optimizer", grids.Strings("adamw")},
			{"loss", grids.Strings("eager")},
			{"dropout", []grids.Value{grids.FloatValue(0), grids.FloatValue(0.1)}},
		},
		Models: s.Models,
		Where:  []string{"tp * dp == gpus", "tp <= node_gpus && micro_batches >= 1", "!sp || tp > 1"},
		Tokens: 1e12,
		Prices: Prices{Pricing: "spot", Providers: []string{"aws", "lambda"}},
		Keep:   Keep{Status: KeepFits},
		Out:    Out{Dir: "everything.ds", PartRows: 65536},
		grid:   s.grid,
	}, s)

	// Models, contexts, batches, micro-batches, accelerators; (gpus, tp, sp, dp) is
	// (·, 1, false, ·) in 4 ways and (·, 2, ·, ·) in 3·2; zero, recompute, dropout.
	require.Equal(t, int64(6*2*2*4*2*(4+6)*2*2*2), s.grid.Len())
}

const small = "study: small\ngrid:\n  model: [gpt2]\n  accelerator: [h100-sxm]\n  micro_batch: [1]\n"

// Each layer wins over the ones before it, whatever they say.
func TestPrecedence(t *testing.T) {
	layers := []func(*Source){
		func(s *Source) { s.Data = []byte(small + "out: {dir: file}\n") },
		func(s *Source) { s.Env = []string{"HEADROOM_OUT_DIR=env", "HEADROOM_GRID_MICRO_BATCH=2", "HOME=/"} },
		func(s *Source) { s.Set = []string{"out.dir=first", "out.dir=set", "micro_batch=3"} },
		func(s *Source) {
			s.Flags = []Flag{{"--output", "out.dir", "flag"}, {"--micro-batch", "grid.micro_batch", "4"}}
		},
	}
	dirs := []string{"", "file", "env", "set", "flag"}
	for mask := range 1 << len(layers) {
		src := Source{File: "small.yaml", Data: []byte(small)}
		top := 0
		for i, layer := range layers {
			if mask>>i&1 == 1 {
				layer(&src)
				top = i + 1
			}
		}
		s, err := Load(src)
		require.NoError(t, err)
		require.Equal(t, dirs[top], s.Out.Dir, "layers %04b", mask)
		require.Equal(t, grids.Ints(int64(max(top, 1))), s.Axis("micro_batch").Values, "layers %04b", mask)
	}
}

func TestOverrides(t *testing.T) {
	f := func(set, axis string, want ...grids.Value) {
		t.Helper()
		s, err := Load(Source{File: "small.yaml", Data: []byte(small), Set: []string{set}})
		require.NoError(t, err)
		require.Equal(t, want, s.Axis(axis).Values)
	}
	f("tp=1,2,4", "tp", grids.Ints(1, 2, 4)...)
	f("grid.tp = [1, 2]", "tp", grids.Ints(1, 2)...)
	f("context=pow2(1Ki..4Ki)", "context", grids.Ints(1024, 2048, 4096)...)
	f("micro_batch=1..3", "micro_batch", grids.Ints(1, 2, 3)...)
	f("model=gpt2,llama-2-7b", "model", grids.Strings("gpt2", "llama-2-7b")...)
	f("model={family: llama-3, params: [1B]}", "model", grids.Strings("llama-3@1B")...)
	f("accelerator=4090", "accelerator", grids.Strings("rtx-4090")...)

	s, err := Load(Source{File: "small.yaml", Data: []byte(small), Set: []string{"where=min(tp, pp) == 1", "keep=fits", "tokens=2T", "study=7"}})
	require.NoError(t, err)
	require.Equal(t, []string{"min(tp, pp) == 1"}, s.Where)
	require.Equal(t, KeepFits, s.Keep.Status)
	require.Equal(t, int64(2e12), s.Tokens)
	require.Equal(t, "7", s.Name)
}

func TestBadOverrides(t *testing.T) {
	f := func(src Source, want ...string) {
		t.Helper()
		src.File, src.Data = "small.yaml", []byte(small)
		_, err := Load(src)
		require.EqualError(t, err, strings.Join(want, "\n"))
	}
	f(Source{Set: []string{"tp"}}, `--set: "tp" is not key=value`, "  hint: write it like --set tp=1,2,4")
	f(Source{Set: []string{"tpp=1"}}, "--set tpp: unknown key", "  hint: did you mean tp?")
	f(Source{Set: []string{"grid.dir=1"}}, "--set grid.dir: unknown key", "  hint: dir belongs under out:")
	f(Source{Set: []string{"tp=0"}}, "--set tp: grid.tp: is 0; it must be from 1 to 2147483647")
	f(Source{Set: []string{"tp=1,0"}}, "--set tp: grid.tp[1]: is 0; it must be from 1 to 2147483647")
	f(Source{Set: []string{"tp="}}, "--set tp: grid.tp: is empty", "  hint: give a value")
	f(Source{Set: []string{"tp=[1"}}, "--set tp: grid.tp: did not find expected ',' or ']'", "  hint: write a list like 1,2,4")
	f(Source{Set: []string{"where=tp >"}}, `--set where: where: "tp >": ends too early`)
	f(Source{Env: []string{"HEADROOM_GRID_MICRO_BACH=1"}}, "HEADROOM_GRID_MICRO_BACH: no key of a study has this variable", "  hint: did you mean HEADROOM_GRID_MICRO_BATCH?")
	f(Source{Env: []string{"HEADROOM_TOKENS=lots"}}, `HEADROOM_TOKENS: tokens: size "lots": is not a number`, "  hint: write it like 4096, 4Mi, 70B or 1.5K")
	f(Source{Flags: []Flag{{"--part-rows", "out.part_rows", "0"}}}, "--part-rows: out.part_rows: is 0; it must be from 1 to 2147483648")
}

// A study says the same in JSON, and under YAML's other spellings.
func TestCanonicalForm(t *testing.T) {
	f := func(text string) string {
		t.Helper()
		s, err := Load(Source{File: "x", Data: []byte(text)})
		require.NoError(t, err)
		return string(s.Canonical())
	}
	want := f(small)
	require.Equal(t, want, f(`{"study": "other name", "grid": {"model": ["openai-community/gpt2"], "accelerator": "H100", "micro_batch": 1}, "out": {"dir": "elsewhere"}}`))
	require.Equal(t, want, f("grid: {model: &m gpt2, accelerator: h100-sxm, micro_batch: [1]}\n"))
	require.NotEqual(t, want, f("grid: {model: gpt2, micro_batch: [1], accelerator: h100-sxm}\n"), "the order of axes numbers the cases")
	require.NotEqual(t, want, f(small+"tokens: 1T\n"))
	require.NotEqual(t, want, f(small+"keep: fits\n"))
}

// An axis is shortened into what a study may say for it.
func TestShorten(t *testing.T) {
	f := func(want string, values ...int64) {
		t.Helper()
		a := Axis{Values: grids.Ints(values...)}
		got := a.shorten()
		require.Equal(t, want, strings.Join(got, " "))
		back, err := grids.ParseInts(got...)
		require.NoError(t, err)
		require.Equal(t, values, back)
	}
	f("7", 7)
	f("1 2 3", 1, 2, 3)
	f("1..4", 1, 2, 3, 4)
	f("1 2 4 8 16", 1, 2, 4, 8, 16)
	f("8..32:8 33 5..8", 8, 16, 24, 32, 33, 5, 6, 7, 8)
	f("1 1000000007 5 4 3 2 1", 1, 1000000007, 5, 4, 3, 2, 1)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfNDistinct(rapid.Int64Range(0, 20), 1, 12, rapid.ID[int64]).Draw(t, "values")
		a := Axis{Values: grids.Ints(values...)}
		back, err := grids.ParseInts(a.shorten()...)
		require.NoError(t, err)
		require.Equal(t, values, back)
	})
	texts := Axis{Values: grids.Strings("a", "b")}
	require.Equal(t, []string{"a", "b"}, texts.shorten())
}

// Load never panics, and every problem tells where it is.
func FuzzLoad(f *testing.F) {
	files, err := os.ReadDir("testdata/bad")
	require.NoError(f, err)
	for _, file := range files {
		if file.IsDir() {
			continue
		}
		data, err := os.ReadFile("testdata/bad/" + file.Name())
		require.NoError(f, err)
		f.Add(data, "tp=1,2")
	}
	good, err := os.ReadFile("testdata/good.yaml")
	require.NoError(f, err)
	f.Add(good, "where=tp < 2")
	f.Fuzz(func(t *testing.T, data []byte, set string) {
		if strings.Contains(string(data), "..") || strings.Contains(set, "..") {
			t.Skip("long ranges only cost time")
		}
		if data == nil {
			data = []byte{}
		}
		_, err := Load(Source{File: "fuzz.yaml", Data: data, Set: []string{set}})
		if err == nil {
			return
		}
		var ps Problems
		require.True(t, errors.As(err, &ps), "%v", err)
		require.NotEmpty(t, ps)
		for _, p := range ps {
			require.True(t, p.Source != "" || p.File != "" && p.Line > 0, "%v has no position", p)
			require.NotEmpty(t, p.Msg)
		}
	})
}

// FuzzOverrides: a good study, and any variables of the environment and --set over
// it. Every problem names the one that it comes from.
func FuzzOverrides(f *testing.F) {
	good := []byte("{study: s, grid: {model: gpt2, accelerator: h100-sxm, micro_batch: [1, 2], gpus: 8, plan: auto}, where: [tp <= 8]}")
	for _, k := range Keys() {
		f.Add(k.Path+"=1", k.Path+"=x,y", k.Env+"=[1, 2", k.Env+"=true")
	}
	for _, set := range []string{"", "=", "tp", "tp=", "tp==1", "tp=[", "tp={a: b}", "tp=*x", "tp=&x 1", "tp=!!int 1", "tp=1\n2", "grid.tp.x=1", "study=a: b", "model={family: llama-3, params: 1B}", "where=tp < 2,pp == 1", "keep=best", "\xff=\xff", "tp=\x00"} {
		f.Add(set, set, "HEADROOM_"+set, "HEADROOM_GRID_TP="+set)
	}
	f.Fuzz(func(t *testing.T, set1, set2, env1, env2 string) {
		if strings.Contains(set1+set2+env1+env2, "..") || strings.Contains(set1+set2+env1+env2, "pow2") {
			t.Skip("long ranges only cost time")
		}
		_, err := Load(Source{File: "fuzz.yaml", Data: good, Set: []string{set1, set2}, Env: []string{env1, env2}})
		if err == nil {
			return
		}
		var ps Problems
		require.ErrorAs(t, err, &ps)
		require.NotEmpty(t, ps)
		for _, p := range ps {
			require.True(t, p.Source != "" || p.File != "" && p.Line > 0, "%v has no position", p)
			require.NotEmpty(t, p.Msg)
		}
	})
}
