package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestREADME runs every command that the README shows, in one directory and in
// order, and compares what it prints. Files that it shows under a comment with
// their name are there. A line of three dots stands for any lines, three dots in
// a line for any text. (What begins with go is run by .ci/run, as is the Python.)
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	dir := t.TempDir()
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		kind, body := block[1], block[2]
		if name := regexp.MustCompile(`^# (\S+\.yaml)\n`).FindStringSubmatch(body); kind == "yaml" && name != nil {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name[1]), []byte(body), 0o666))
		}
		if kind != "console" {
			continue
		}
		for example := range strings.SplitSeq(strings.TrimPrefix(body, "$ "), "\n$ ") {
			command, want, _ := strings.Cut(strings.TrimSuffix(example, "\n"), "\n")
			if strings.HasPrefix(command, "go ") {
				continue
			}
			ran++
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = dir
			got, err := cmd.Output()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Errorf("$ %s\n%s%s", command, got, exit.Stderr)
				continue
			}
			require.NoError(t, err)
			if !like(want, strings.TrimSuffix(string(got), "\n")) {
				t.Errorf("$ %s\nprints\n%s\nand the README says\n%s", command, got, want)
			}
		}
	}
	require.Greater(t, ran, 8)
}

// like compares with a pattern of three dots.
func like(pattern, text string) bool {
	p := regexp.QuoteMeta(strings.TrimSpace(pattern))
	p = regexp.MustCompile(`(?m)^\\\.\\\.\\\.$`).ReplaceAllString(p, `(?s:.*)`)
	p = strings.ReplaceAll(p, `\.\.\.`, `.*`)
	return regexp.MustCompile(`^` + p + `$`).MatchString(strings.TrimSpace(text))
}

func TestLike(t *testing.T) {
	f := func(pattern, text string, want bool) {
		t.Helper()
		require.Equal(t, want, like(pattern, text))
	}
	f("a\nb", "a\nb", true)
	f("a\n...\nd", "a\nb\nc\nd", true)
	f("a ... d", "a b c d", true)
	f("a ... d", "a b\nc d", false)
	f("...", "anything\nat all", true)
	f("a", "a\nb", false)
}
