package results

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What differs between two studies is told axis by axis, and briefly.
func TestDiffPlans(t *testing.T) {
	plan := func(study string) Plan {
		return Plan{Name: "x", Study: json.RawMessage(study), Cases: 10, PartRows: 5}
	}
	f := func(was, now string, want ...string) {
		t.Helper()
		require.Equal(t, want, diffPlans(planFile{SchemaVersion: SchemaVersion, Plan: plan(was)}, plan(now)))
	}
	const tp, pp = `{"axis":"tp","values":["1","2"]}`, `{"axis":"pp","values":["1"]}`
	f(`{"axes":[`+tp+`,`+pp+`]}`, `{"axes":[`+tp+`,`+pp+`]}`)
	f(`{"axes":[`+tp+`,`+pp+`]}`, `{"axes":[`+pp+`,`+tp+`]}`, `study.axes: in the order tp pp in the dataset, pp tp now`)
	f(`{"axes":[`+tp+`]}`, `{"axes":[`+tp+`,`+pp+`]}`, `study.axes.pp: not set in the dataset, {"values":["1"]} now`)
	f(`{"axes":[`+tp+`]}`, `{"axes":[{"axis":"tp","values":["1","4"]}]}`, `study.axes.tp.values: ["1","2"] in the dataset, ["1","4"] now`)
	long := fmt.Sprintf("%q", strings.Repeat("z", 300))
	f(`{"where":`+long+`}`, `{}`, `study.where: "`+strings.Repeat("z", 119)+`… in the dataset, not set now`)

	e := OtherStudyError{Dir: "d", Diff: strings.Split(strings.Repeat("line ", 20), " ")}
	require.Equal(t, 17, strings.Count(e.Error(), "\n")+1)
	require.Contains(t, e.Error(), "and 6 more differences")
}
