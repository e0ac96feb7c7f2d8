package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the headroom command when a script asks for it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"headroom": main})
}

// TestScripts runs the command line from outside: testdata/script/*.txtar.
func TestScripts(t *testing.T) { testscript.Run(t, scriptParams("testdata/script")) }

func scriptParams(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("TERM", "dumb")
			env.Setenv("NO_COLOR", "1")
			env.Setenv("GOCOVERDIR", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"damage": cmdDamage,
			"exits":  cmdExits,
			"json":   cmdJSON,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	}
}

// cmdExits runs a command and demands an exit code: exits 2 headroom explain.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdDamage harms a file as disks and people do: damage flip FILE turns one bit
// in its middle, damage cut FILE drops its last byte.
func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: damage flip|cut FILE")
	}
	path := ts.MkAbs(args[1])
	data, err := os.ReadFile(path)
	ts.Check(err)
	if args[0] == "flip" {
		data[len(data)/2] ^= 1
	} else {
		data = data[:len(data)-1]
	}
	ts.Check(os.WriteFile(path, data, 0o666))
}

// cmdJSON compares values in the last standard output, or in the last line of a
// file of JSON lines: json [FILE] path value [path value]... A path is like
// memory.peak_bytes or ledger.0.component; the value is JSON, or text.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	text, lines := ts.ReadFile("stdout"), false
	if len(args)%2 == 1 {
		text, args, lines = ts.ReadFile(args[0]), args[1:], true
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var doc any
	ts.Check(dec.Decode(&doc))
	for lines && dec.More() {
		doc = nil
		ts.Check(dec.Decode(&doc))
	}
	if dec.More() {
		ts.Fatalf("more than one JSON document")
	}
	for i := 0; i < len(args); i += 2 {
		got := dig(doc, args[i])
		if (got == args[i+1]) == neg {
			ts.Fatalf("%s is %s, want %s", args[i], got, args[i+1])
		}
	}
}

// dig finds a value in a JSON document and writes it as text; "absent" when it is not there.
func dig(doc any, path string) string {
	for key := range strings.SplitSeq(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			x, ok := v[key]
			if !ok {
				return "absent"
			}
			doc = x
		case []any:
			if key == "len" {
				return strconv.Itoa(len(v))
			}
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return "absent"
			}
			doc = v[i]
		default:
			return "absent"
		}
	}
	switch v := doc.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return fmt.Sprint(err)
		}
		return strings.TrimSpace(b.String())
	}
}
