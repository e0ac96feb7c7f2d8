package suggest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"headroom/internal/suggest"
)

var parts = []string{"a100-sxm-80gb", "h100-sxm", "h100-pcie", "h200-sxm", "b200-sxm", "mi300x", "tpu-v5e"}

var keys = []string{"model", "context", "micro_batch", "global_batch", "global_batch_tokens", "accelerator", "tp", "pp", "dp"}

func TestNearest(t *testing.T) {
	f := func(candidates []string, name string, want ...string) {
		t.Helper()
		require.Equal(t, want, suggest.Nearest(name, candidates, 3))
	}
	f(parts, "h10", "h100-sxm", "h100-pcie") // an abbreviation; h200 is one edit away
	f(parts, "h100-smx", "h100-sxm")         // swapped letters are one edit
	f(parts, "H100_SXM", "h100-sxm")
	f(parts, "mi30x", "mi300x")
	f(parts, "mi300", "mi300x")
	f(parts, "sxm", "h100-sxm", "h200-sxm", "b200-sxm")
	f(keys, "contxt", "context")
	f(keys, "microbatch", "micro_batch")
	f(keys, "micro_batch_size", "micro_batch")
	f(keys, "acelerator", "accelerator")
	f(keys, "global_batch_size", "global_batch")
	f(keys, "modle", "model")

	f(keys, "")
	f(keys, "   ")
	f(keys, "--__")
	f(keys, "zzzzzz")
	f(parts, "warp-drive")
	f(keys, "tq") // two letters tell nothing
	f(nil, "model")
	f([]string{"", "model", "model"}, "model", "model")
}

func TestNearestKeepsTheOrderOfEquals(t *testing.T) {
	require.Equal(t, []string{"car", "cat"}, suggest.Nearest("cax", []string{"car", "cat", "dog"}, 5))
	require.Equal(t, []string{"cat", "car"}, suggest.Nearest("cax", []string{"cat", "car", "dog"}, 5))
	require.Equal(t, []string{"cat"}, suggest.Nearest("cax", []string{"cat", "car"}, 1))
	require.Empty(t, suggest.Nearest("cax", []string{"cat", "car"}, 0))
}

func TestQuestion(t *testing.T) {
	f := func(want string, names ...string) {
		t.Helper()
		require.Equal(t, want, suggest.Question(names))
	}
	f("")
	f("did you mean a?", "a")
	f("did you mean a or b?", "a", "b")
	f("did you mean a, b or c?", "a", "b", "c")
}

func TestLetters(t *testing.T) {
	require.Equal(t, "deepseekv3", suggest.Letters("DeepSeek-V3"))
	require.Equal(t, "h100sxm", suggest.Letters("H100 SXM"))
	require.Empty(t, suggest.Letters("-_ /"))
}

func FuzzNearest(f *testing.F) {
	f.Add("h10", "h100-sxm", 3)
	f.Add("\xff", "é", 1)
	f.Fuzz(func(t *testing.T, name, candidate string, most int) {
		got := suggest.Nearest(name, []string{candidate, "h100-sxm"}, most)
		require.LessOrEqual(t, len(got), 2)
		for _, s := range got {
			require.Contains(t, []string{candidate, "h100-sxm"}, s)
		}
	})
}

func ExampleNearest() {
	near := suggest.Nearest("h10", []string{"a100-sxm-80gb", "h100-sxm", "mi300x"}, 3)
	fmt.Println(suggest.Question(near))
	// Output: did you mean h100-sxm?
}
