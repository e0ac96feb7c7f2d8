package results_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"headroom/results"
)

// makeDataset writes ten made-up cases in parts of four.
func makeDataset(dir string) (*results.Dataset, error) {
	plan := results.Plan{
		Name: "example", Study: json.RawMessage(`{"grid": {"tp": [1, 2]}}`),
		Engine: "0.1.0", Cases: 10, PartRows: 4,
	}
	d, err := results.Create(results.OS(), dir, plan)
	if err != nil {
		return nil, err
	}
	for part := range d.Parts() {
		lo, hi := d.Range(part)
		_, err := d.WritePart(part, func(w *results.PartWriter) error {
			for id := lo; id < hi; id++ {
				row := results.Row{CaseID: id, Model: "gpt2", TP: int32(1 + id%2), PeakBytes: (10 - id) << 33, Status: results.StatusFits}
				if id == 3 {
					row.Status, row.Reason = results.StatusOOM, "memory"
				}
				if err := w.Write(&row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	d, err := makeDataset(filepath.Join(dir, "out.ds"))
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := d.Commit()
	fmt.Println(m.Rows, m.Status, m.Reason, len(m.Parts), err)
	// Output: 10 map[fits:9 oom:1] map[memory:1] 3 <nil>
}

func ExampleDataset_Top() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	d, err := makeDataset(filepath.Join(dir, "out.ds"))
	if err != nil {
		fmt.Println(err)
		return
	}
	where, err := results.CompileFilter("fits && peak_bytes > 16*GiB")
	if err != nil {
		fmt.Println(err)
		return
	}
	by, err := results.ParseSortKeys("-tp,peak_bytes")
	if err != nil {
		fmt.Println(err)
		return
	}
	top, err := d.Top(context.Background(), results.TopOptions{Where: where, By: by, Limit: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := results.NewTable(top.Rows, "case_id", "model", "tp", "peak_bytes")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := table.Write(os.Stdout, results.Text); err != nil {
		fmt.Println(err)
	}
	fmt.Println(top.Matched, "of", top.Scanned)
	// Output:
	// case              peak
	//   id  model  tp    GiB
	//    7  gpt2    2  24.00
	//    5  gpt2    2  40.00
	//    1  gpt2    2  72.00
	// 7 of 10
}

func ExampleCompileFilter() {
	_, err := results.CompileFilter("fits && peek_bytes < 40*GiB")
	fmt.Println(err)
	// Output:
	// filter:1:9: unknown name "peek_bytes": did you mean peak_bytes?
	//   fits && peek_bytes < 40*GiB
	//           ^
}
