// Package sweep runs studies: a YAML file becomes a grid, the grid becomes parts,
// and workers turn parts into committed Parquet files, resumably.
package sweep
