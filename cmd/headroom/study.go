package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"headroom/sweep"

	"github.com/spf13/cobra"
)

// engineVersion is part of every dataset's identity. Raise it whenever a row may
// come out differently than before, so that old and new rows never mix.
const engineVersion = "6"

// studyFlags choose and change a study, for the commands that take one.
type studyFlags struct {
	output string
	set    []string
	given  func(flag string) bool
}

func (f *studyFlags) register(cmd *cobra.Command) {
	p := cmd.Flags()
	p.SortFlags = false
	f.given = p.Changed
	p.StringVarP(&f.output, "output", "o", "", "`DIR`ectory of the dataset")
	p.StringArrayVar(&f.set, "set", nil, "change a key of the study, `KEY=VALUE`[,VALUE]…: --set tp=1,2,4")
	if err := cmd.MarkFlagDirname("output"); err != nil {
		panic(err)
	}
	dynamic(cmd, "set", false, func() []string {
		var keys []string
		for _, k := range sweep.Keys() {
			keys = append(keys, strings.TrimPrefix(k.Path, "grid.")+"=")
		}
		return keys
	})
	cmd.ValidArgsFunction = func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return sweep.PresetNames(), cobra.ShellCompDirectiveDefault
	}
}

// presetHelp lists the embedded studies for the help of a command.
func presetHelp() string {
	var b strings.Builder
	b.WriteString("Embedded studies (headroom plan NAME --yaml prints one, to begin your own):\n")
	for _, name := range sweep.PresetNames() {
		fmt.Fprintf(&b, "  %-15s %s\n", name, sweep.PresetAbout(name))
	}
	return b.String()
}

// source finds the study that the arguments name, an embedded one when there is
// none, and the directory its dataset goes to when nobody says.
func (s *state) source(args []string) (src sweep.Source, dir string, err error) {
	name := sweep.DefaultPreset
	if len(args) > 0 {
		name = args[0]
	}
	if name == "" {
		return src, "", usage("leave it out for the embedded study", "the study's name is empty")
	}
	dir = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)) + ".ds"
	if !slices.Contains(sweep.PresetNames(), name) && s.isPath(name) {
		return sweep.Source{File: name}, dir, nil
	}
	if src, err = sweep.Preset(name); err != nil {
		return src, "", misuse(err, "headroom plan --list tells what each is; a file ends in .yaml, or begins with ./")
	}
	if name == sweep.DefaultPreset {
		dir = defaultDir
	}
	return src, dir, nil
}

// load reads the study that the arguments name and says where its dataset goes.
func (f *studyFlags) load(s *state, args []string) (*sweep.Study, error) {
	src, dir, err := s.source(args)
	if err != nil {
		return nil, err
	}
	for k, v := range s.Env {
		src.Env = append(src.Env, k+"="+v)
	}
	src.Set, src.Today = f.set, s.Today
	if f.given("output") {
		src.Flags = append(src.Flags, sweep.Flag{Name: "--output", Path: "out.dir", Value: f.output})
	}
	study, err := sweep.Load(src)
	if err != nil {
		return nil, err
	}
	if study.Out.Dir == "" {
		study.Out.Dir = dir
	}
	return study, nil
}

// isPath says whether a study's name means a file rather than an embedded study.
func (s *state) isPath(name string) bool {
	if ext := strings.ToLower(filepath.Ext(name)); ext == ".yaml" || ext == ".yml" {
		return true
	}
	if strings.ContainsRune(name, '/') || strings.ContainsRune(name, filepath.Separator) {
		return true
	}
	_, ok := s.exists(name)
	return ok
}
