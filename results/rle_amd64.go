//go:build !purego

package results

import _ "unsafe" // for go:linkname

// rleEqualRun is how parquet-go v0.32.0 finds the end of a bit-packed run of
// dictionary indexes: the number of words before one of eight equal values.
// Its version for AVX2 broadcasts within halves of a register and so also stops at
// four equal values beside four others (0,0,0,0,1,1,1,1). That is valid, but makes
// other bytes than every other processor does: without AVX2, and on arm64.
//
//go:linkname rleEqualRun github.com/parquet-go/parquet-go/encoding/rle.encodeInt32IndexEqual8Contiguous
var rleEqualRun func(words [][8]int32) int

// Encoding of a page happens long after all packages are initialised.
func init() { rleEqualRun = equalRun }

func equalRun(words [][8]int32) int {
	for i := range words {
		w := &words[i]
		v := w[0]
		if w[1] == v && w[2] == v && w[3] == v && w[4] == v && w[5] == v && w[6] == v && w[7] == v {
			return i
		}
	}
	return len(words)
}
