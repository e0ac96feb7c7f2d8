// Package results is the dataset: the row schema, Parquet parts with their
// commit protocol and manifest, and the reading, ranking and plotting of them.
package results
