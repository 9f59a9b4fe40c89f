#include "wordpiece.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "matrix.h"

namespace pq {

namespace {

// An entry holds a code point and, in its highest byte, what that does to a word.
enum Kind : uint32_t {
  DROP,      // nothing: the code point is removed
  BLANK,     // the word before it ends
  LETTER,    // it belongs to a word
  MARK,      // it is a word by itself: punctuation, and Chinese characters
  SYLLABLE,  // of Korean: the letters that it is written with belong to a word
  SEVERAL,   // instead of a code point: where in `sequences_` their number and entries are
  UNTESTED   // the text is not for this tokenizer
};
constexpr uint32_t POINT = 0xffffff;

constexpr uint32_t entry(Kind kind, uint32_t point) { return uint32_t(kind) << 24 | point; }
constexpr Kind kind_of(uint32_t entry) { return Kind(entry >> 24); }

constexpr uint64_t SEED = 0x9e3779b97f4a7c15;
constexpr uint64_t hashed(uint64_t hash, uint32_t character) {
  hash = (hash ^ character) * 0xff51afd7ed558ccd;
  return hash ^ hash >> 29;
}

template <size_t N>
bool in(const tables::Range (&ranges)[N], uint32_t point) {
  const auto* range = std::upper_bound(
      ranges, ranges + N, point, [](uint32_t p, const tables::Range& r) { return p < r.end; });
  return range != ranges + N && range->first <= point;
}

Kind kind_of_point(uint32_t point) {
  if (in(tables::SPACES, point)) return BLANK;
  return in(tables::PUNCTUATION, point) ? MARK : LETTER;
}

constexpr uint32_t FIRST_SYLLABLE = 0xac00, SYLLABLES = 11172;

// The letters of a Korean syllable (Unicode, section 3.12); 0 where it has no third.
struct Letters {
  uint32_t letters[3];

  explicit Letters(uint32_t syllable) {
    constexpr uint32_t VOWELS = 21, LAST = 28;
    syllable -= FIRST_SYLLABLE;
    letters[0] = 0x1100 + syllable / (VOWELS * LAST);
    letters[1] = 0x1161 + syllable / LAST % VOWELS;
    letters[2] = syllable % LAST ? 0x11a7 + syllable % LAST : 0;
  }
};

}  // namespace

// ---- construction ----

WordPiece::WordPiece(const pq_vocabulary& vocabulary)
    : unknown_(vocabulary.unknown), longest_word_(uint32_t(vocabulary.longest_word)) {
  if (vocabulary.tokens < 1 || !vocabulary.characters || !vocabulary.lengths || !vocabulary.ids)
    throw Invalid("a vocabulary of " + std::to_string(vocabulary.tokens) +
                  " tokens; expected 1 or more, with characters, lengths and ids");
  if (vocabulary.longest_word < 1 || vocabulary.prefix_length < 0 ||
      (vocabulary.prefix_length && !vocabulary.prefix))
    throw Invalid("a longest word of " + std::to_string(vocabulary.longest_word) +
                  " characters and a prefix of " + std::to_string(vocabulary.prefix_length) +
                  "; expected 1 or more and 0 or more");
  if (unknown_ < 0)
    throw Invalid("unknown words have the id " + std::to_string(unknown_) +
                  "; expected 0 or more");
  if (vocabulary.character_count > std::numeric_limits<uint32_t>::max())
    throw Invalid("a vocabulary of more than 2^32 characters");
  uint64_t characters = 0;
  for (int32_t i = 0; i < vocabulary.tokens; i++) {
    const int32_t length = vocabulary.lengths[i], id = vocabulary.ids[i];
    if (length < 0 || characters + uint64_t(length) > vocabulary.character_count)
      throw Invalid("token " + std::to_string(i) + " of the vocabulary has a length of " +
                    std::to_string(length) + ", with " +
                    std::to_string(vocabulary.character_count - characters) +
                    " characters left");
    if (id < 0)
      throw Invalid("token " + std::to_string(i) + " of the vocabulary has the id " +
                    std::to_string(id) + "; expected 0 or more");
    characters += uint64_t(length);
  }
  if (characters != vocabulary.character_count)
    throw Invalid("a vocabulary of " + std::to_string(vocabulary.character_count) +
                  " characters, but tokens of " + std::to_string(characters));

  characters_.assign(vocabulary.characters, vocabulary.characters + vocabulary.character_count);
  prefix_.assign(vocabulary.prefix, vocabulary.prefix + vocabulary.prefix_length);
  prefix_hash_ = SEED;
  for (const uint32_t character : prefix_) prefix_hash_ = hashed(prefix_hash_, character);
  size_t size = 4;
  while (size < 2 * size_t(vocabulary.tokens)) size *= 2;
  slots_.resize(size);
  mask_ = size - 1;
  uint32_t at = 0;
  for (int32_t i = 0; i < vocabulary.tokens; i++) {
    add(at, uint32_t(vocabulary.lengths[i]), vocabulary.ids[i]);
    at += uint32_t(vocabulary.lengths[i]);
  }
  fill_entries(vocabulary);
}

void WordPiece::add(uint32_t at, uint32_t length, int32_t id) {
  uint64_t hash = SEED;
  for (uint32_t i = 0; i < length; i++) hash = hashed(hash, characters_[at + i]);
  uint64_t slot = hash & mask_;
  while (slots_[slot].id >= 0) slot = (slot + 1) & mask_;
  slots_[slot].hash = hash;
  slots_[slot].at = at;
  slots_[slot].length = length;
  slots_[slot].id = id;
}

// The steps of BERT's normaliser for each code point. A later step here is an earlier one there:
// what it does counts.
void WordPiece::fill_entries(const pq_vocabulary& vocabulary) {
  entries_.resize(tables::LIMIT);
  for (uint32_t point = 0; point < tables::LIMIT; point++) entries_[point] = entry(LETTER, point);
  const auto set = [&](const auto& ranges, Kind kind) {
    for (const tables::Range& range : ranges)
      for (uint32_t point = range.first; point < range.end; point++)
        entries_[point] = entry(kind, point);
  };
  set(tables::SPACES, BLANK);
  set(tables::PUNCTUATION, MARK);
  if (vocabulary.chinese) set(tables::CHINESE, MARK);
  if (vocabulary.lowercase)
    for (const tables::Change& change : tables::LOWER) become(change, false);
  if (vocabulary.strip_accents) {
    for (const tables::Change& change : tables::BASES) become(change, vocabulary.lowercase);
    set(tables::MARKS, DROP);
    for (uint32_t i = 0; i < SYLLABLES; i++)
      entries_[FIRST_SYLLABLE + i] = entry(SYLLABLE, FIRST_SYLLABLE + i);
    set(tables::MOVED, UNTESTED);
  }
  if (vocabulary.clean_text) {
    set(tables::DROPPED, DROP);
    set(tables::BLANKS, BLANK);
  }
  set(tables::UNASSIGNED, UNTESTED);
  // Python's lone surrogates stand for what could not be decoded.
  for (uint32_t point = 0xd800; point < 0xe000; point++) entries_[point] = entries_[0xfffd];
}

// Make a code point others, in lower case if it says so.
void WordPiece::become(const tables::Change& change, bool lowercase) {
  std::vector<uint32_t> made;
  for (const uint32_t to : change.to) {
    if (!to) break;
    const auto* lower = std::lower_bound(
        std::begin(tables::LOWER), std::end(tables::LOWER), to,
        [](const tables::Change& other, uint32_t point) { return other.from < point; });
    if (!lowercase || lower == std::end(tables::LOWER) || lower->from != to) {
      made.push_back(entry(kind_of_point(to), to));
      continue;
    }
    for (const uint32_t letter : lower->to)
      if (letter) made.push_back(entry(kind_of_point(letter), letter));
  }
  if (made.size() == 1) {
    // A Chinese character stays a word by itself.
    const bool alone = kind_of(entries_[change.from]) == MARK;
    entries_[change.from] = alone ? entry(MARK, made[0] & POINT) : made[0];
    return;
  }
  entries_[change.from] = entry(SEVERAL, uint32_t(sequences_.size()));
  sequences_.push_back(uint32_t(made.size()));
  sequences_.insert(sequences_.end(), made.begin(), made.end());
}

// ---- tokenising ----

// The characters of a word, normalised, and where in the text they come from.
struct WordPiece::Word {
  std::vector<uint32_t> characters;
  std::vector<int32_t> from;
  std::vector<uint64_t> hashes;
  int32_t number = 0;
};

bool WordPiece::tokenize(const uint32_t* text, uint64_t length, Tokens& tokens) const {
  if (length > uint64_t(std::numeric_limits<int32_t>::max()))
    throw Invalid("a text of " + std::to_string(length) + " characters; expected less than 2^31");
  // About as many as a text in a European language has; more memory is taken where it has more.
  tokens.ids.reserve(length / 3);
  tokens.words.reserve(length / 3);
  tokens.offsets.reserve(2 * (length / 3));
  Word word;
  const auto put = [&](uint32_t entry, int32_t from) {
    const Kind kind = kind_of(entry);
    if (kind == DROP) return;
    if (kind != LETTER) flush(word, tokens);
    if (kind == BLANK) return;
    word.characters.push_back(entry & POINT);
    word.from.push_back(from);
    if (kind == MARK) flush(word, tokens);
  };
  for (uint64_t i = 0; i < length; i++) {
    if (text[i] >= tables::LIMIT) return false;
    const uint32_t found = entries_[text[i]];
    if (kind_of(found) == UNTESTED) return false;
    if (kind_of(found) == SEVERAL) {
      const uint32_t* sequence = &sequences_[found & POINT];
      for (uint32_t k = 1; k <= sequence[0]; k++) put(sequence[k], int32_t(i));
    } else if (kind_of(found) == SYLLABLE) {
      for (const uint32_t letter : Letters(found & POINT).letters)
        if (letter) put(entry(LETTER, letter), int32_t(i));
    } else {
      put(found, int32_t(i));
    }
  }
  flush(word, tokens);
  return true;
}

// Split the word into the longest pieces that the vocabulary has, from the left.
void WordPiece::flush(Word& word, Tokens& tokens) const {
  const uint32_t length = uint32_t(word.characters.size());
  if (!length) return;
  const uint32_t* characters = word.characters.data();
  const auto put = [&](int32_t id, uint32_t first, uint32_t end) {
    tokens.ids.push_back(id);
    tokens.offsets.push_back(word.from[first]);
    tokens.offsets.push_back(word.from[end - 1] + 1);
    tokens.words.push_back(word.number);
  };
  const size_t before = tokens.ids.size();
  bool known = length <= longest_word_;
  for (uint32_t at = 0; known && at < length;) {
    word.hashes.resize(length);
    uint64_t hash = at ? prefix_hash_ : SEED;
    for (uint32_t i = at; i < length; i++) word.hashes[i] = hash = hashed(hash, characters[i]);
    const uint32_t head = at ? uint32_t(prefix_.size()) : 0;
    int32_t id = -1;
    uint32_t end = length;
    for (; end > at; end--) {
      id = find(word.hashes[end - 1], prefix_.data(), head, characters + at, end - at);
      if (id >= 0) break;
    }
    known = id >= 0;
    if (known) put(id, at, end);
    at = end;
  }
  if (!known) {
    tokens.ids.resize(before);
    tokens.offsets.resize(2 * before);
    tokens.words.resize(before);
    put(unknown_, 0, length);
  }
  word.characters.clear();
  word.from.clear();
  word.number++;
}

// The id of the token that is `head` followed by `rest`; -1 where there is none.
int32_t WordPiece::find(uint64_t hash, const uint32_t* head, uint32_t head_length,
                        const uint32_t* rest, uint32_t rest_length) const {
  for (uint64_t i = hash & mask_;; i = (i + 1) & mask_) {
    const Slot& slot = slots_[i];
    if (slot.id < 0) return -1;
    if (slot.hash != hash || slot.length != head_length + rest_length) continue;
    const uint32_t* token = characters_.data() + slot.at;
    if (std::equal(head, head + head_length, token) &&
        std::equal(rest, rest + rest_length, token + head_length))
      return slot.id;
  }
}

}  // namespace pq
