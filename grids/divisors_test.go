package grids

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDivisors(t *testing.T) {
	f := func(ns, want []int64) {
		t.Helper()
		require.Equal(t, want, Divisors(ns...))
	}
	f([]int64{1}, []int64{1})
	f([]int64{64}, []int64{1, 2, 4, 8, 16, 32, 64})
	f([]int64{96}, []int64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96})
	f([]int64{256, 96}, []int64{1, 2, 4, 8, 16, 32})
	f([]int64{36}, []int64{1, 2, 3, 4, 6, 9, 12, 18, 36})
	f([]int64{97}, []int64{1, 97})
	f([]int64{96, 64, 5}, []int64{1})
	f(nil, nil)
	f([]int64{0}, nil)
	f([]int64{8, -4}, nil)

	for n := int64(1); n <= 300; n++ {
		require.Equal(t, divisorsUpTo(n, n), Divisors(n))
	}
}
