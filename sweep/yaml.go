package sweep

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxStudyBytes bounds what is read of a study: people write a few kilobytes.
const maxStudyBytes = 1 << 20

// readStudy reads a file, and says in words why it cannot.
func readStudy(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileProblem(path, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, Problems{{File: path, Msg: "is a directory", Hint: "name the study's YAML file"}}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxStudyBytes+1))
	if err != nil {
		return nil, fileProblem(path, err)
	}
	return data, nil
}

func fileProblem(path string, err error) Problems {
	p := Problem{File: path, Msg: "cannot be read: " + cause(err).Error()}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Msg, p.Hint = "no such file", "check the path, or name one of the embedded studies: "+strings.Join(PresetNames(), ", ")
	case errors.Is(err, fs.ErrPermission):
		p.Hint = "make the file readable"
	}
	return Problems{p}
}

// cause is what went wrong with a file, without its path.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// parseYAML turns the text of one YAML document into its tree. JSON is YAML too.
// The tree keeps positions, exact numbers and the order of keys.
func parseYAML(file string, data []byte) (*yaml.Node, error) {
	if len(data) > maxStudyBytes {
		return nil, Problems{{File: file, Msg: fmt.Sprintf("is larger than %d KiB, which no study is", maxStudyBytes>>10), Hint: "write long axes as ranges, such as 1..1024:8"}}
	}
	if line, col, what := findBadByte(data); what != "" {
		return nil, Problems{{File: file, Line: line, Col: col, Msg: "is not text: " + what, Hint: "save the study as UTF-8 text"}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return nil, Problems{{File: file, Line: 1, Col: 1, Msg: "is empty", Hint: "a study needs at least grid: {model: […]}"}}
	case err != nil:
		return nil, syntaxProblem(file, data, err)
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, syntaxProblem(file, data, err)
		}
		return nil, Problems{{File: file, Line: second.Line, Col: second.Column, Msg: "a second document begins here", Hint: "one study a file; remove the --- line"}}
	}
	return doc.Content[0], nil
}

// findBadByte finds the first character that text may not hold: YAML readers name
// no position.
func findBadByte(data []byte) (line, col int, what string) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	line, col = 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == 0, r == utf8.RuneError && size == 1:
			return line, col, "a NUL byte, or not UTF-8"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfeff, r == 0xfffe, r == 0xffff:
			return line, col, fmt.Sprintf("the character %U, which YAML has no place for", r)
		case r == '\n':
			line, col = line+1, 0
		}
		col++
		data = data[size:]
	}
	return 0, 0, ""
}

var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s*)?(?:line (\d+): )?`)

// syntaxProblem gives the reader's message a position of our form. The reader
// knows the line at best.
func syntaxProblem(file string, data []byte, err error) Problems {
	msg := err.Error()
	line := 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		msg = strings.TrimPrefix(msg, m[0])
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	col := 1
	if m := unknownAnchor.FindStringSubmatch(msg); m != nil {
		if i := bytes.Index(data, []byte("*"+m[1])); i >= 0 {
			line = 1 + bytes.Count(data[:i], []byte("\n"))
			col = 1 + utf8.RuneCount(data[1+bytes.LastIndexByte(data[:i], '\n'):i])
		}
	}
	return Problems{{File: file, Line: line, Col: col, Msg: "not YAML: " + msg}}
}

// kindOf names what a node holds, for people.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "a text"
}

// isText reports whether a node is a scalar that is no number, truth value or null.
func isText(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch n.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float":
		return false
	}
	return true
}
