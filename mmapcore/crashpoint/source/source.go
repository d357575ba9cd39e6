// Package source finds the crash points in Go source, so that a test can visit every one.
package source

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	importPath  = "shmfs/mmapcore/crashpoint"
	packageName = "crashpoint"
	function    = "Here"
)

// Names are the names of all points in the Go files below a directory, sorted; tests and testdata are left out. It is an error if a
// name is not a string literal or occurs twice, or if the package is imported under another name, since points would be missed then.
func Names(directory string) ([]string, error) {
	found := map[string]token.Position{}
	files := token.NewFileSet()
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "testdata" && path != directory {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		return collect(files, path, found)
	})
	if err != nil {
		return nil, fmt.Errorf("looking for crash points in %s: %w", directory, err)
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// collect adds a file's points.
func collect(files *token.FileSet, path string, found map[string]token.Position) error {
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	imported, err := imports(files, file)
	if err != nil || !imported {
		return err
	}
	calls := map[*ast.SelectorExpr]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if err != nil {
			return false
		}
		switch node := node.(type) {
		case *ast.CallExpr:
			if selector, is := node.Fun.(*ast.SelectorExpr); is && isHere(selector) {
				calls[selector] = true
				err = add(files, node, found)
			}
		case *ast.SelectorExpr:
			if isHere(node) && !calls[node] {
				err = fmt.Errorf("%s: Here is not called, so its names cannot be known", files.Position(node.Pos()))
			}
		}
		return true
	})
	return err
}

// imports says whether the file can have points.
func imports(files *token.FileSet, file *ast.File) (bool, error) {
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err != nil || path != importPath {
			continue
		}
		if spec.Name != nil {
			return false, fmt.Errorf("%s: the package is imported under another name", files.Position(spec.Pos()))
		}
		return true, nil
	}
	return false, nil
}

func isHere(selector *ast.SelectorExpr) bool {
	name, is := selector.X.(*ast.Ident)
	return is && name.Name == packageName && selector.Sel.Name == function
}

// add adds one call's point.
func add(files *token.FileSet, call *ast.CallExpr, found map[string]token.Position) error {
	at := files.Position(call.Pos())
	if len(call.Args) != 1 {
		return fmt.Errorf("%s: a point has one name", at)
	}
	literal, is := call.Args[0].(*ast.BasicLit)
	if !is || literal.Kind != token.STRING {
		return fmt.Errorf("%s: a point's name is not a string literal", at)
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if other, twice := found[name]; twice {
		return fmt.Errorf("%s: the point %q is also at %s", at, name, other)
	}
	found[name] = at
	return nil
}
