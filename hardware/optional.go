package hardware

import (
	"encoding/json"
	"fmt"
)

// Optional is a figure that a source may not give. Its zero value is unknown,
// which is not the same as a known 0.
type Optional[T any] struct {
	Value T // meaningless unless Known
	Known bool
}

// Known returns the optional that holds v.
func Known[T any](v T) Optional[T] { return Optional[T]{Value: v, Known: true} }

// Get returns the figure and whether it is known, like a map lookup.
func (o Optional[T]) Get() (T, bool) { return o.Value, o.Known }

// Or returns the figure, or otherwise when it is unknown.
func (o Optional[T]) Or(otherwise T) T {
	if o.Known {
		return o.Value
	}
	return otherwise
}

// String prints the figure, or "unknown".
func (o Optional[T]) String() string {
	if o.Known {
		return fmt.Sprint(o.Value)
	}
	return "unknown"
}

// MarshalJSON writes the figure, or null when it is unknown.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if o.Known {
		return json.Marshal(o.Value)
	}
	return []byte("null"), nil
}
