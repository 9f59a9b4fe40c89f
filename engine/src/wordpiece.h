// BERT's WordPiece: text in, token ids and their places out. Knows no model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pullquote.h"
#include "wordpiece_tables.h"

namespace pq {

// The tokens of a text.
struct Tokens {
  std::vector<int32_t> ids;
  std::vector<int32_t> offsets;  // (tokens, 2) code points of the text, half open
  std::vector<int32_t> words;    // the number of the word that each token is a part of, ascending
};

// A tokenizer. It does not change, so that threads may share it.
class WordPiece {
 public:
  // Copies the vocabulary. Raises `Invalid`.
  explicit WordPiece(const pq_vocabulary& vocabulary);

  // Fills `tokens`; false where the text has a code point that the tables do not cover.
  bool tokenize(const uint32_t* text, uint64_t length, Tokens& tokens) const;

 private:
  // A token in the hash table: `length` code points from `at` of `characters_`.
  struct Slot {
    uint64_t hash = 0;
    uint32_t at = 0, length = 0;
    int32_t id = -1;  // -1: an empty slot
  };
  struct Word;

  void fill_entries(const pq_vocabulary& vocabulary);
  void become(const tables::Change& change, bool lowercase);
  void add(uint32_t at, uint32_t length, int32_t id);
  int32_t find(uint64_t hash, const uint32_t* head, uint32_t head_length, const uint32_t* rest,
               uint32_t rest_length) const;
  void flush(Word& word, Tokens& tokens) const;

  std::vector<uint32_t> entries_;    // for each code point, what it becomes: see wordpiece.cpp
  std::vector<uint32_t> sequences_;  // the entries of those that become several
  std::vector<uint32_t> characters_, prefix_;
  std::vector<Slot> slots_;
  uint64_t mask_ = 0, prefix_hash_ = 0;
  int32_t unknown_ = 0;
  uint32_t longest_word_ = 0;
};

}  // namespace pq
