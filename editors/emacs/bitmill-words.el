;;; bitmill-words.el --- The words of bitmill recipes  -*- lexical-binding: t; -*-

;; Made from the tables of words in src/ by tests/grammar.

;;; Code:

(defconst bitmill-words-connectives
  '("and"
    "not"
    "or"
    "where"))

(defconst bitmill-words-kinds
  '("activation"
    "add"
    "all"
    "attention"
    "avg-pool"
    "conv"
    "conv-transpose"
    "conv1d"
    "conv2d"
    "conv3d"
    "embedding"
    "flatten"
    "gru"
    "linear"
    "lstm"
    "matmul"
    "max-pool"
    "mul"
    "norm"
    "other"
    "rnn"
    "softmax"))

(defconst bitmill-words-facts
  '("bytes"
    "dtype"
    "groups"
    "in_features"
    "kernel"
    "layer"
    "ops"
    "out_features"
    "params"
    "rank"))

(defconst bitmill-words-bases
  '("bf16"
    "fp16"
    "fp32"
    "fp8-e4m3"
    "fp8-e5m2"
    "int1"
    "int2"
    "int3"
    "int4"
    "int5"
    "int6"
    "int7"
    "int8"
    "lut1"
    "lut2"
    "lut3"
    "lut4"
    "lut5"
    "lut6"
    "lut7"
    "lut8"
    "uint1"
    "uint2"
    "uint3"
    "uint4"
    "uint5"
    "uint6"
    "uint7"
    "uint8"))

(defconst bitmill-words-parts
  '("activations"
    "block"
    "by"
    "entries"
    "fit"
    "per-channel"
    "per-group"
    "per-grouped-channel"
    "per-tensor"
    "scale"
    "scaled"
    "sparse"
    "sparse-below"
    "vector"))

(defconst bitmill-words-constants
  '("asymmetric"
    "hqq"
    "kmeans"
    "min-max"
    "mse"
    "symmetric"
    "symmetric-no-clipping"
    "uniform"
    "unique"
    "keep"
    "none"))

(defconst bitmill-words-statements
  '("model"
    "target"
    "compute"
    "precision"
    "arithmetic"
    "threshold"
    "calibrate"
    "shapes"
    "scheme"
    "import"
    "extend"
    "expect"
    "output"))

(defconst bitmill-words-expectations
  '("every"
    "kept"
    "matches"
    "no"
    "quantized"
    "size"
    "bits"
    "sqnr"
    "accuracy"
    "drop"
    "perplexity"
    "rise"))

(defconst bitmill-words-units
  '("k"
    "M"
    "G"
    "B"
    "kB"
    "MB"
    "GB"
    "KiB"
    "MiB"
    "GiB"
    "dB"
    "bits"))

(defconst bitmill-words-platforms
  '("iOS"
    "macOS"
    "watchOS"
    "tvOS"
    "visionOS"))

(provide 'bitmill-words)
;;; bitmill-words.el ends here
