package hardware

import (
	"encoding/json"
	"fmt"
	"strings"

	"headroom/internal/suggest"
)

// DType is a number format that an accelerator has a peak rate for. Its zero
// value is no format.
type DType uint8

// The formats. TF32 is 32-bit storage multiplied at tensor-core speed; FP8
// stands for e4m3 and e5m2 under any scaling, FP4 for nvfp4 and mxfp4.
const (
	FP64 DType = iota + 1
	FP32
	TF32
	FP16
	BF16
	FP8
	FP4
	INT8
)

var dtypeNames = [...]string{FP64: "fp64", FP32: "fp32", TF32: "tf32", FP16: "fp16", BF16: "bf16", FP8: "fp8", FP4: "fp4", INT8: "int8"}

// DTypes returns every format, widest first.
func DTypes() []DType { return []DType{FP64, FP32, TF32, FP16, BF16, FP8, FP4, INT8} }

// String returns the format's lower-case name, or "" for no format.
func (d DType) String() string {
	if int(d) < len(dtypeNames) {
		return dtypeNames[d]
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// ParseDType returns the format of that name, without regard to case.
func ParseDType(s string) (DType, error) {
	for _, d := range DTypes() {
		if strings.EqualFold(s, d.String()) {
			return d, nil
		}
	}
	names := dtypeNames[1:]
	return 0, &NameError{
		What: "number format", Name: s,
		Suggestions: suggest.Nearest(s, names, 3),
		Known:       names,
	}
}

// Peaks holds dense peak rates by format in operations a second; 2:4 sparsity
// is never counted. See [Accelerator.PeakFLOPS].
type Peaks [len(dtypeNames)]Optional[float64]

// MarshalJSON writes an object with one key a known rate.
func (p Peaks) MarshalJSON() ([]byte, error) {
	known := make(map[string]float64)
	for _, d := range DTypes() {
		if v, ok := p[d].Get(); ok {
			known[d.String()] = v
		}
	}
	return json.Marshal(known)
}
