package main

import (
	"bytes"
	"io"

	"headroom/results/plot"

	"github.com/spf13/cobra"
)

// A pictureFlag is the file that a command draws into; "" is none.
type pictureFlag struct {
	path   string
	format plot.Format
}

// Set reads the flag's value.
func (p *pictureFlag) Set(path string) (err error) {
	p.path = path
	p.format, err = plot.FormatOf(path)
	return err
}

// String is the value for help texts.
func (p *pictureFlag) String() string { return p.path }

// Type names the kind of value in help texts.
func (p *pictureFlag) Type() string { return "FILE.svg|.png" }

// register adds --plot.
func (p *pictureFlag) register(cmd *cobra.Command, what string) {
	cmd.Flags().Var(p, "plot", "draw "+what)
	err := cmd.MarkFlagFilename("plot", "svg", "png")
	if err != nil {
		panic(err)
	}
}

// draw writes a picture to the file that was asked for; a picture that cannot be
// drawn leaves the file as it was.
func (s *state) draw(to *pictureFlag, picture interface {
	Write(w io.Writer, f plot.Format) error
},
) error {
	if to.path == "" {
		return nil
	}
	var b bytes.Buffer
	if err := picture.Write(&b, to.format); err != nil {
		return err
	}
	return s.WriteFile(to.path, b.Bytes())
}
