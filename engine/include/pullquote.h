/* C interface of pullquote's engine: text to token ids, token ids to logits, to the best spans or to
 * vectors, and the vectors that are nearest to one.
 *
 * Every function returns a `pq_status`. On failure it writes one line for people, ended by a zero,
 * into `message` (at most `message_bytes`; may be NULL) and leaves its other outputs alone, except
 * where it says so. No C++ exception leaves the library. Sizes are checked; pointers are trusted to
 * hold as many elements as their count says.
 *
 * The interface has a version. A library of another version must not be called.
 */
#ifndef PULLQUOTE_H
#define PULLQUOTE_H

#include <stdint.h>

#if defined(_WIN32)
#define PQ_API __declspec(dllexport)
#else
#define PQ_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define PQ_ABI_VERSION 3

typedef enum {
  PQ_OK = 0,
  PQ_INVALID = 1,  /* an argument that is not valid: sizes, ids, names */
  PQ_MEMORY = 2,   /* no memory left */
  PQ_DEADLINE = 3, /* the deadline passed */
  PQ_STOPPED = 4,  /* pq_stop was called */
  PQ_INTERNAL = 5, /* a mistake of the library */
  PQ_BROKEN = 6,   /* the model gave numbers that are not finite */
  PQ_UNTESTED = 7  /* a text that this tokenizer leaves to another */
} pq_status;

typedef enum {
  PQ_NONE = 0,   /* no matrix: an optional part that the model does not have */
  PQ_FLOAT = 1,  /* float, rows x columns */
  PQ_INT8 = 2,   /* int8_t, rows x columns; value = code * scale of the row; -63 .. 63 in layers */
  PQ_NIBBLES = 3, /* uint8_t, rows x columns / 2; column 2k in the low half of byte k, 2k + 1 in the
                     high half; value = (half - 8) * scale of the row */
  PQ_SEVENS = 4   /* uint8_t, rows x columns * 7 / 8; rows is a multiple of 8; layers only. The low
                     four bits of all codes + 64, then the next two, then the highest: in each part,
                     a byte holds bits of rows that are far apart, the first rows in its low bits.
                     value = code * scale of the row */
} pq_kind;

typedef enum { PQ_GELU = 0, PQ_GELU_NEW = 1, PQ_RELU = 2 } pq_activation;
typedef enum { PQ_PRECISION_INT8 = 0, PQ_PRECISION_FP32 = 1 } pq_precision;

/* `data` holds `count` elements of the kind, row by row; `scales` one for each row, NULL for PQ_FLOAT. */
typedef struct {
  int32_t kind;
  int32_t rows;
  int32_t columns;
  int32_t reserved;
  const void *data;
  uint64_t count;
  const float *scales;
  uint64_t scale_count;
} pq_matrix;

typedef struct {
  const float *data;
  uint64_t count;
} pq_vector;

/* y = x weight^T + bias: a weight of (out, in), a bias of (out). */
typedef struct {
  pq_matrix weight;
  pq_vector bias;
} pq_linear;

typedef struct {
  pq_vector gain;
  pq_vector bias;
} pq_norm;

typedef struct {
  pq_linear query, key, value, attention_output;
  pq_norm attention_norm;
  pq_linear intermediate, output;
  pq_norm output_norm;
} pq_layer;

/* A post-norm encoder, with a question-answering head or without. V words, width E of embeddings, width H. */
typedef struct {
  pq_matrix words;     /* (V, E), any kind */
  pq_matrix positions; /* (P, E), PQ_FLOAT */
  pq_matrix types;     /* (types, E), PQ_FLOAT; or PQ_NONE */
  pq_norm embedding_norm;
  pq_linear projection; /* E -> H; or PQ_NONE where E = H */
  const pq_layer *layers;
  int32_t layer_count;
  int32_t heads;      /* divides H */
  int32_t activation; /* pq_activation */
  float epsilon;      /* of all norms */
  pq_linear head;     /* H -> 2; or PQ_NONE for a model that can only embed */
} pq_weights;

typedef struct pq_model pq_model;

PQ_API int32_t pq_abi_version(void);

/* The names of the kernels that this machine can run, best first, NULL after the last. */
PQ_API const char *const *pq_kernels(void);

/* Make a model. `kernels` is one of `pq_kernels`, or NULL for the best.
 *
 * Everything is copied, except the words table: its data and scales must stay valid and unchanged
 * until pq_model_free (a mapped file will do). Float matrices are rounded to 7 bits with a scale a
 * row where the precision is int8. */
PQ_API int32_t pq_model_create(const pq_weights *weights, int32_t precision, const char *kernels,
                               pq_model **model, char *message, uint64_t message_bytes);

/* No call with the model may be running, and none may follow. NULL is allowed. */
PQ_API void pq_model_free(pq_model *model);

/* Make all reads with the model end with PQ_STOPPED, those in progress after at most one layer. */
PQ_API void pq_stop(pq_model *model);

/* The name of the model's kernels. */
PQ_API const char *pq_model_kernels(const pq_model *model);

typedef struct {
  const int32_t *ids;     /* (tokens): the windows one after the other, without padding */
  const int32_t *types;   /* (tokens), or NULL for zeros */
  const int32_t *lengths; /* (windows): tokens of each window */
  int64_t tokens;         /* the sum of all lengths */
  int32_t windows;
  int32_t threads; /* at most this many, the caller's own among them; at least 1. Each reads windows
                      of its own; a single long window is shared, unless the cores are busy */
  double deadline; /* seconds from now, or 0 for none; checked between layers */
  double pause;    /* seconds from now after which no further window is begun; 0 for none */
} pq_request;

/* Read windows: logits `start` and `end`, (tokens) each. `done` windows, from the first, were read:
 * all of them, or fewer after a pause; at least one. The logits of a window do not depend on the
 * other windows or on `threads`. May be called from several threads at once, and in a child after a
 * fork. After a failure the logits are undefined. */
PQ_API int32_t pq_read(pq_model *model, const pq_request *request, float *start, float *end,
                       int32_t *done, char *message, uint64_t message_bytes);

/* The part of a window that may hold answers. */
typedef struct {
  int32_t first;      /* the first token of the context, counted from the window's first */
  int32_t count;      /* tokens of the context; 0 or more */
  int32_t null_index; /* the token whose logits mean "no answer" */
} pq_place;

typedef struct {
  pq_request windows;
  const pq_place *places;  /* (windows.windows) */
  const int32_t *offsets;  /* (tokens of all contexts, 2): characters of each, half open; a token
                              without characters can neither start nor end a span */
  int64_t offset_count;    /* tokens of all contexts */
  int32_t longest;         /* tokens of the longest span; at least 1 */
  int32_t most;            /* spans of a window; at least 1 */
} pq_find_request;

typedef struct {
  int32_t begin, end; /* characters, half open */
  float start_logit, end_logit;
} pq_span;

typedef struct {
  double log_mass;  /* log sum exp of the context's start logits + that of its end logits */
  float null_start, null_end;
  int32_t spans;    /* how many were found: fewer than `most` where there are no more */
  int32_t reserved;
} pq_found;

/* Read windows, and find the best span of each, the best that does not overlap it, and so on: by the
 * sum of start and end logit; of equal spans the earlier, then the shorter. `found` is (windows),
 * `spans` is (windows, most), filled from the left. For `done` and the rest, see `pq_read`. */
PQ_API int32_t pq_find(pq_model *model, const pq_find_request *request, pq_span *spans,
                       pq_found *found, int32_t *done, char *message, uint64_t message_bytes);

/* Read windows, and write the mean of each window's last hidden states, scaled to unit length, to
 * `vectors`, (windows, H). For `done` and the rest, see `pq_read`. PQ_BROKEN for a mean of zeros. */
PQ_API int32_t pq_embed(pq_model *model, const pq_request *request, float *vectors, int32_t *done,
                        char *message, uint64_t message_bytes);

typedef struct {
  const int8_t *rows;     /* (count, width) */
  const int8_t *query;    /* (width), -63 .. 63 */
  const uint8_t *allowed; /* (count), 0 for rows to leave out; or NULL for none */
  uint64_t row_elements;  /* count * width */
  int64_t count;          /* 0 or more */
  int32_t width;
  int32_t threads; /* at most this many, the caller's own among them; at least 1 */
  int64_t most;    /* rows to find; 0 or more */
} pq_nearest_request;

typedef struct {
  int64_t row;
  int32_t product; /* the sum of row * query, exactly */
  int32_t reserved;
} pq_near;

/* Find the rows with the largest products with a query, best first; of equal ones the earlier.
 * `near` has room for `most`; `found` is how many there are: fewer where fewer are allowed. `kernels`
 * as for `pq_model_create`; all of them find the same. */
PQ_API int32_t pq_nearest(const pq_nearest_request *request, const char *kernels, pq_near *near,
                          int64_t *found, char *message, uint64_t message_bytes);

/* BERT's WordPiece and normaliser; flags are 0 or 1. */
typedef struct {
  const uint32_t *characters; /* the tokens one after the other, in code points */
  uint64_t character_count;
  const int32_t *lengths; /* (tokens) code points of each */
  const int32_t *ids;     /* (tokens), 0 or more */
  int32_t tokens;
  int32_t unknown;        /* the id of words that have no pieces */
  const uint32_t *prefix; /* what pieces inside a word begin with, "##"; not ended by a zero */
  int32_t prefix_length;
  int32_t longest_word; /* code points; longer words are unknown */
  int32_t clean_text, chinese, strip_accents, lowercase;
} pq_vocabulary;

typedef struct pq_tokenizer pq_tokenizer;

/* Make a tokenizer; everything is copied. */
PQ_API int32_t pq_tokenizer_create(const pq_vocabulary *vocabulary, pq_tokenizer **tokenizer,
                                   char *message, uint64_t message_bytes);

/* No call with the tokenizer may be running, and none may follow. NULL is allowed. */
PQ_API void pq_tokenizer_free(pq_tokenizer *tokenizer);

/* Tokenise `length` code points. `ids` and `words` are (room), `offsets` (room, 2): code points of
 * the text, half open; `words` is the number of the word that a token is a part of. `tokens` is how
 * many there are. If that is more than `room`, nothing else is written. PQ_UNTESTED for a text that
 * has a code point whose normal form is not known here. */
PQ_API int32_t pq_tokenize(const pq_tokenizer *tokenizer, const uint32_t *text, uint64_t length,
                           int32_t *ids, int32_t *offsets, int32_t *words, uint64_t room,
                           uint64_t *tokens, char *message, uint64_t message_bytes);

/* One linear layer, y = x weight^T + bias, for tests of the kernels: x (rows, in), y (rows, out).
 * In int8, a row whose largest value is 127 and whose values are whole is multiplied exactly. */
PQ_API int32_t pq_linear_forward(const pq_linear *linear, int32_t precision, const char *kernels,
                                 const float *x, int32_t rows, float *y, char *message,
                                 uint64_t message_bytes);

#ifdef __cplusplus
}
#endif
#endif
