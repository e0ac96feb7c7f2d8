package main

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"headroom/grids"
)

// A size flag takes a positive whole number as a study does: 4096, 8Ki, 1.5T.
type size int64

// Set reads a flag's value.
func (z *size) Set(text string) error {
	n, err := grids.ParseSize(text)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%q: write a positive number", text)
	}
	*z = size(n)
	return nil
}

// String is the value for help texts.
func (z *size) String() string {
	if *z == 0 {
		return ""
	}
	return fmt.Sprint(int64(*z))
}

// Type names the kind of value in help texts.
func (z *size) Type() string { return "N" }

// A capacity is an amount of memory, which keeps the way it was written: 80 GB
// and 80 GiB differ by enough to change answers.
type capacity struct {
	Bytes int64
	Text  string
}

var byteUnits = map[string]int64{
	"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

var capacityForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)$`)

// Set reads a flag's value. The unit is required: a bare number would have to be
// guessed. The arithmetic is exact.
func (c *capacity) Set(text string) error {
	bad := fmt.Errorf("%.40q is not an amount of memory with its unit, such as 80GB (10⁹ bytes) or 80GiB (2³⁰ bytes)", text)
	m := capacityForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil || len(text) > 64 {
		return bad
	}
	unit, known := byteUnits[strings.ToLower(m[2])]
	r, isNumber := new(big.Rat).SetString(m[1])
	if !known || !isNumber {
		return bad
	}
	r.Mul(r, new(big.Rat).SetInt64(unit))
	switch {
	case !r.IsInt():
		return fmt.Errorf("%q is not a whole number of bytes", text)
	case !r.Num().IsInt64():
		return fmt.Errorf("%q does not fit into 64 bits", text)
	case r.Sign() == 0:
		return fmt.Errorf("%q: write a positive amount", text)
	}
	c.Bytes, c.Text = r.Num().Int64(), strings.TrimSpace(text)
	return nil
}

// String is the value for help texts.
func (c *capacity) String() string { return c.Text }

// Type names the kind of value in help texts.
func (c *capacity) Type() string { return "SIZE" }
