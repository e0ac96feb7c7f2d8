package accounting

import (
	"strings"
)

// An Offload says what lives in the host's memory in place of the device's.
type Offload uint8

// What can be offloaded.
const (
	// OffloadOptimizer keeps moments and master weights on the host, which also makes
	// the update (DeepSpeed's offload_optimizer, Megatron's --optimizer-cpu-offload).
	OffloadOptimizer Offload = 1 << iota
	// OffloadParameters keeps the shards of the weights there; they are copied when
	// they are gathered (DeepSpeed's offload_param, torch FSDP2's CPUOffloadPolicy).
	OffloadParameters
	// OffloadActivations copies what autograd keeps of the layers there and back
	// (torchtune's enable_activation_offloading).
	OffloadActivations
)

var offloadNames = []string{"optimizer", "parameters", "activations"}

// String is the flag value: none, or names joined by +.
func (o Offload) String() string {
	if o == 0 {
		return "none"
	}
	var out []string
	for i, n := range offloadNames {
		if o&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, "+")
}

// ParseOffload reads what [Offload.String] writes; commas will do as well.
func ParseOffload(text string) (Offload, error) {
	if strings.EqualFold(strings.TrimSpace(text), "none") {
		return 0, nil
	}
	var o Offload
	for _, name := range strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return c == '+' || c == ',' || c == ' ' }) {
		found := false
		for i, n := range offloadNames {
			if name == n || name == strings.TrimSuffix(n, "s") || name == "params" && n == "parameters" {
				o |= 1 << i
				found = true
			}
		}
		if !found {
			return 0, unknown("offload", name, append([]string{"none"}, offloadNames...))
		}
	}
	return o, nil
}

// OffloadNames lists what can be offloaded.
func OffloadNames() []string { return offloadNames }
