package sweep

import (
	"context"
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
