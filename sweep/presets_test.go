package sweep

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/results"
)

func TestPresets(t *testing.T) {
	require.Equal(t, []string{"context-ladder", "default", "overnight", "pick-8b-1T", "seed"}, PresetNames())
	for _, name := range PresetNames() {
		src, err := Preset(name)
		require.NoError(t, err)
		s, err := Load(src)
		require.NoError(t, err)
		require.Equal(t, name, s.Name)
		require.NotEmpty(t, PresetAbout(name), "the first comment of a preset says what it is about")
		require.Less(t, len(PresetAbout(name)), 90, name)
		require.Empty(t, s.Out.Dir, "%s: the command line chooses the directory", name)
	}
	for misspelt, hint := range map[string]string{
		"sed": "did you mean seed?", "overnite": "did you mean overnight?", "context_ladder": "did you mean context-ladder?", "pick-8b": "did you mean pick-8b-1T?",
	} {
		_, err := Preset(misspelt)
		require.EqualError(t, err, "no embedded study is called \""+misspelt+"\"\n  hint: "+hint+" (known: context-ladder, default, overnight, pick-8b-1T, seed)")
	}
	_, err := Preset("../studies/seed")
	require.Error(t, err)
}

// TestPresetsAnswer runs a small share of each preset and expects what its first
// sentence promises.
func TestPresetsAnswer(t *testing.T) {
	rows := func(preset string, set ...string) []results.Row {
		src, err := Preset(preset)
		require.NoError(t, err)
		src.Set = set
		s, err := Load(src)
		require.NoError(t, err)
		s.Out.Dir = t.TempDir()
		sum := run(t, s, Options{Workers: 2})
		require.Equal(t, s.Cases(), sum.Cases)
		require.Zero(t, sum.Status[results.StatusInternal])
		d, err := results.Open(results.OS(), s.Out.Dir)
		require.NoError(t, err)
		var out []results.Row
		for row, err := range d.Scan(context.Background(), results.ScanOptions{}) {
			require.NoError(t, err)
			if row.Status == results.StatusFits {
				out = append(out, *row)
			}
		}
		require.NotEmpty(t, out, "%s: something fits", preset)
		return out
	}
	distinct := func(rows []results.Row, of func(*results.Row) any) map[any]bool {
		seen := map[any]bool{}
		for i := range rows {
			seen[of(&rows[i])] = true
		}
		return seen
	}
	model := func(r *results.Row) any { return r.Model }

	def := rows("default", "accelerator=h200-sxm", "context=1Ki", "micro_batch=1", "gpus=1,256")
	require.Len(t, distinct(def, model), 17, "each model fits somewhere")

	seed := rows("seed", "accelerator=h100-sxm", "micro_batch=1..8")
	require.Len(t, distinct(seed, model), 4)
	require.Equal(t, map[any]bool{"fp32": true}, distinct(seed, func(r *results.Row) any { return r.Recipe }))

	night := rows("overnight", "accelerator=b200-sxm", "micro_batch=1", "context=8Ki", "gpus=256", "recompute=full", "tp=8", "cp=1", "zero=1")
	require.Len(t, distinct(night, model), 5, "each model fits somewhere")
	for i := range night {
		require.Positive(t, night[i].CostUSD, "case %d", night[i].CaseID)
	}

	ladder := rows("context-ladder", "accelerator=b200-sxm", "gpus=64", "recompute=full", "tp=8", "pp=1", "zero=3")
	require.Len(t, distinct(ladder, func(r *results.Row) any { return r.ContextTokens }), 8, "64 of the largest reach the top")

	pick := rows("pick-8b-1T", "micro_batch=1", "tp=1", "pp=1", "recompute=none", "zero=2")
	require.Len(t, distinct(pick, func(r *results.Row) any { return r.Accelerator }), 10, "each accelerator runs it")
	for i := range pick {
		require.Positive(t, pick[i].CostUSD, "%s has an offer of whole nodes", pick[i].Accelerator)
	}
}

// TestStudyOfTheDesign loads and runs the example of the design, with each of the
// three ways to keep rows.
func TestStudyOfTheDesign(t *testing.T) {
	text, err := os.ReadFile("testdata/design.yaml")
	require.NoError(t, err)
	load := func(keep string, set ...string) *Study {
		study := strings.Replace(string(text), "keep: {status: all}", "keep: "+keep, 1)
		require.Contains(t, study, "keep: "+keep)
		study = strings.Replace(study, "./tiny.json", "./testdata/tiny.json", 1)
		s, err := Load(Source{File: "design.yaml", Data: []byte(study), Set: append(set, "out.dir="+t.TempDir())})
		require.NoError(t, err)
		return s
	}
	s := load("{status: all}")
	require.Equal(t, "overnight", s.Name)
	require.EqualValues(t, 1e12, s.Tokens)
	require.Equal(t, []string{"aws", "lambda"}, s.Prices.Providers)
	require.EqualValues(t, 1<<20, s.Out.PartRows)
	require.Greater(t, s.Cases(), int64(800_000))

	small := []string{"micro_batch=1", "gpus=64", "context=8192", "recompute=full"}
	all := load("{status: all}", small...)
	sum := run(t, all, Options{Workers: 2})
	require.True(t, sum.Complete)
	require.Equal(t, all.Cases(), sum.Rows)
	fits := run(t, load("fits", small...), Options{Workers: 2})
	require.Equal(t, sum.Status, fits.Status, "what is not kept is counted")
	require.Equal(t, sum.Status[results.StatusFits], fits.Rows)
	best := load("{best: 100, per: [model, accelerator], by: cost_usd}", small...)
	kept := run(t, best, Options{Workers: 2})
	require.Equal(t, sum.Status, kept.Status)
	require.EqualValues(t, 3*4*100, kept.Rows, "100 of each model and accelerator")

	// The cheapest of each model and accelerator is the same in all of them.
	cheapest := func(s *Study) (ids []int64) {
		d, err := results.Open(results.OS(), s.Out.Dir)
		require.NoError(t, err)
		top, err := d.Top(context.Background(), results.TopOptions{
			Where: where(t, "cost_usd != nil"), By: []results.SortKey{{Column: "cost_usd"}}, Per: []string{"model", "accelerator"}, Limit: 1,
		})
		require.NoError(t, err)
		for i := range top.Rows {
			ids = append(ids, top.Rows[i].CaseID)
		}
		return ids
	}
	require.NotEmpty(t, cheapest(all))
	require.Equal(t, cheapest(all), cheapest(best))
}

func where(t *testing.T, text string) *results.Filter {
	f, err := results.CompileFilter(text)
	require.NoError(t, err)
	return f
}
