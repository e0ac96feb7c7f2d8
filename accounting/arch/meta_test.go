package arch

import (
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Totals that transformers itself gives when it builds the model on PyTorch's
// meta device, for embedded configs, for each class's defaults and for random
// small variations. testdata/count_meta.py wrote them (transformers 5.23.0,
// torch 2.15.0).
func TestTransformersCounts(t *testing.T) {
	f, err := os.Open("testdata/meta_counts.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		name, modelType, config := row[0], row[1], row[2]
		want, err := strconv.ParseInt(row[3], 10, 64)
		require.NoError(t, err)
		t.Run(modelType+"/"+name, func(t *testing.T) {
			var m *Model
			var err error
			if config == "" {
				m, err = Lookup(name, Options{})
			} else {
				m, err = ImportBytes(name, []byte(config), Options{})
			}
			require.NoError(t, err, config)
			c, err := m.ParameterCount()
			require.NoError(t, err)
			require.Equal(t, want, c.Total, config)
		})
	}
}

// The same for model_types whose code is not a part of transformers: their
// repositories' own modelling code, built on the meta device from random small
// configs. These totals hold prediction layers and correction values.
//
//	bailing_moe     inclusionAI/Ling models/modeling_bailing_moe.py
//	bailing_moe_v2  inclusionAI/Ling-V2 models/modeling_bailing_moe_v2.py
//	chatglm         THUDM/chatglm2-6b modeling_chatglm.py
//	internlm2       internlm/internlm2 modeling_internlm2.py
//	mimo            XiaomiMiMo/MiMo-7B-Base modeling_mimo.py
func TestRemoteCounts(t *testing.T) {
	f, err := os.Open("testdata/remote_counts.csv")
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		want, err := strconv.ParseInt(row[2], 10, 64)
		require.NoError(t, err)
		c, err := import1(t, row[1]).ParameterCount()
		require.NoError(t, err)
		require.Equal(t, want, c.Total+c.MTP, row[1])
	}
}
