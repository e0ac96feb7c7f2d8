package validate

import (
	"errors"
	"io"
)

// tableLimit bounds what is read of a table: the largest published one has less than
// a megabyte.
const tableLimit = 64 << 20

var errTooLarge = errors.New("is larger than 64 MiB, which no table of measurements is")

// limit makes a reader fail where a table would be absurdly large, a device that
// never ends for instance.
func limit(r io.Reader) io.Reader { return io.MultiReader(io.LimitReader(r, tableLimit), tooLarge{r}) }

// tooLarge is what follows the limit: an error, unless the table ends there.
type tooLarge struct{ r io.Reader }

func (t tooLarge) Read(b []byte) (int, error) {
	if n, err := t.r.Read(b); n == 0 && err != nil {
		return 0, err
	}
	return 0, errTooLarge
}
