package results

import "math/bits"

// nullableColumns is how many columns may be NULL.
const nullableColumns = 12

// nullable are the columns that may be NULL. A test holds the list to the tags.
func (r *Row) nullable() [nullableColumns]*float64 {
	return [...]*float64{
		&r.StepSeconds, &r.StepLowSeconds, &r.StepHighSeconds, &r.TokensPerSecondPerGPU, &r.MFU, &r.HFU,
		&r.RunDays, &r.Goodput, &r.GPUHours, &r.CostUSD, &r.EnergyKWh, &r.PriceUSDPerGPUHour,
	}
}

// encoderRows is how many rows the encoder takes in one step.
const encoderRows = 64

// wholeNulls returns how many of the first rows of a step the encoder writes as
// they are. parquet-go v0.32.0 writes NULLs as zeros, which other readers then see,
// where the last run of values in a step starts at row y > 0, is y rows long and
// has only NULLs behind it (column_buffer_write.go, writeRowsFuncOfOptional,
// compares with 1<<y − 1 in place of 1<<(64−y) − 1). A step that ends with the run
// is written right.
func wholeNulls(rows []Row) int {
	n := min(len(rows), encoderRows)
	var present [nullableColumns]uint64
	for i := range rows[:n] {
		for k, v := range rows[i].nullable() {
			if *v != 0 {
				present[k] |= 1 << i
			}
		}
	}
	for again := true; again; {
		again = false
		for _, p := range present {
			p &= 1<<n - 1 // all of them for n = 64
			end := bits.Len64(p)
			run := bits.LeadingZeros64(^(p << (encoderRows - end)))
			if start := end - run; start > 0 && start == run && end < n {
				n, again = end, true
			}
		}
	}
	return n
}
