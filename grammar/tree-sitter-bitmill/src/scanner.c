// What depends on lines, brackets and units, and so is beyond a context-free grammar: where a statement ends (as in
// src/syntax/outline.rs), which number is one, and comments that must be directives (src/syntax/allow.rs).

#include "tree_sitter/alloc.h"
#include "tree_sitter/parser.h"

#include <string.h>

enum Symbol {
  BEGIN,
  NEWLINE,
  LINE_BREAK,
  CONTINUATION,
  SAME_LINE,
  TEXT,
  PATTERN,
  COMMENT,
  ALLOW,
  NUMBER,
  QUANTITY,
  OPEN_PAREN,
  CLOSE_PAREN,
  OPEN_BRACKET,
  CLOSE_BRACKET,
  OPEN_BRACE,
  CLOSE_BRACE,
  NEVER,
};

static const char BRACKETS[] = "()[]{}";

static const char *const UNITS[] = {
  "k", "M", "G", "B", "kB", "MB", "GB", "KiB", "MiB", "GiB", "dB", "bits",
};

#define LONGEST_WORD 16

typedef struct {
  uint16_t indent; // of the first line of the statement
  uint8_t depth;   // of brackets
} Scanner;

static void advance(TSLexer *lexer) { lexer->advance(lexer, false); }

static bool is_newline(int32_t c) { return c == '\n' || c == '\r'; }

static bool is_blank(int32_t c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static bool is_digit(int32_t c) { return c >= '0' && c <= '9'; }

static bool is_alphanumeric(int32_t c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c > 0x7F && !is_blank(c));
}

static bool is_word_part(int32_t c) { return c == '_' || is_alphanumeric(c); }

static bool at_end_of_line(TSLexer *lexer) { return lexer->eof(lexer) || is_newline(lexer->lookahead); }

static unsigned skip_blanks(TSLexer *lexer) {
  unsigned count = 0;
  for (; !lexer->eof(lexer) && is_blank(lexer->lookahead); count++) advance(lexer);
  return count;
}

static bool accept(TSLexer *lexer, const char *word) {
  for (; *word; word++) {
    if (lexer->lookahead != *word) return false;
    advance(lexer);
  }
  return true;
}

// ---- Lines ------------------------------------------------------------------------------------------------------

// Whether what follows the keyword of a statement makes a line one, whatever stands before it.
static bool begins_statement(const char *word, TSLexer *lexer) {
  static const char *const NAMES[] = {"target", "compute", "precision", "arithmetic", "scheme"};
  static const char *const PATHS[] = {"model", "import", "output", "calibrate", "extend"};
  int32_t next = lexer->lookahead;
  if (at_end_of_line(lexer)) return false;
  for (unsigned i = 0; i < 5; i++) {
    if (!strcmp(word, NAMES[i])) return is_word_part(next) && !is_digit(next);
    if (!strcmp(word, PATHS[i])) return next == '"';
  }
  if (!strcmp(word, "threshold")) return is_digit(next) || next == '-' || next == '.';
  if (!strcmp(word, "shapes")) return next == '{';
  return !strcmp(word, "expect") && next != '=';
}

// Skips a string or regular expression as far as it is on this line.
static void skip_quoted(TSLexer *lexer) {
  int32_t quote = lexer->lookahead;
  advance(lexer);
  while (!at_end_of_line(lexer) && lexer->lookahead != quote) {
    if (lexer->lookahead == '\\') advance(lexer);
    if (!at_end_of_line(lexer)) advance(lexer);
  }
  if (!at_end_of_line(lexer)) advance(lexer);
}

// Whether the line from here on is the first of a statement, although a bracket or a sign before it asks for more:
// it has a "=>" outside all brackets that are opened in it, or begins with a keyword and is not indented.
static bool is_beginning(TSLexer *lexer, bool deeper) {
  char word[LONGEST_WORD] = "";
  for (unsigned length = 0; is_word_part(lexer->lookahead); advance(lexer)) {
    if (length + 1 < LONGEST_WORD) word[length++] = lexer->lookahead > 0x7F ? '?' : (char)lexer->lookahead;
  }
  skip_blanks(lexer);
  if (begins_statement(word, lexer)) return !deeper;
  unsigned depth = 0;
  while (!at_end_of_line(lexer)) {
    int32_t c = lexer->lookahead;
    if (c == '"' || c == '/') {
      skip_quoted(lexer);
      continue;
    }
    if (c == '#') return false;
    advance(lexer);
    if (c == '(' || c == '[' || c == '{') depth++;
    if (c == ')' || c == ']' || c == '}') {
      if (depth == 0) return false;
      depth--;
    }
    if (c == '=' && lexer->lookahead == '>' && depth == 0) return true;
  }
  return false;
}

static bool scan_newline(Scanner *scanner, TSLexer *lexer, const bool *valid) {
  if (lexer->lookahead == '\r') advance(lexer);
  if (lexer->lookahead == '\n') advance(lexer);
  lexer->mark_end(lexer);
  lexer->result_symbol = NEWLINE;
  bool recovering = valid[NEVER];
  if (scanner->depth == 0 && (recovering || !valid[CONTINUATION])) return true;
  // Not what the grammar waits for, and so an error.
  if (valid[SAME_LINE] && !recovering) return true;
  bool deeper = skip_blanks(lexer) > scanner->indent;
  bool content = !at_end_of_line(lexer) && lexer->lookahead != '#';
  if (content && is_beginning(lexer, deeper)) {
    // Not what the grammar waits for if a bracket is open, but from here on it can recover.
    scanner->depth = 0;
    return true;
  }
  if (scanner->depth > 0) {
    lexer->result_symbol = LINE_BREAK;
  } else if (deeper && content) {
    lexer->result_symbol = CONTINUATION;
  }
  return true;
}

// ---- Comments ----------------------------------------------------------------------------------------------------

static bool is_code(int32_t c) { return (c <= 0x7F && is_alphanumeric(c)) || c == '-' || c == '_'; }

// `allow(CODE, CODE)` up to the end of the line.
static bool scan_allow(TSLexer *lexer) {
  skip_blanks(lexer);
  if (!accept(lexer, "allow")) return false;
  skip_blanks(lexer);
  do {
    advance(lexer); // the bracket or the comma
    skip_blanks(lexer);
    if (!is_code(lexer->lookahead)) return false;
    while (is_code(lexer->lookahead)) advance(lexer);
    skip_blanks(lexer);
  } while (lexer->lookahead == ',');
  if (lexer->lookahead != ')') return false;
  advance(lexer);
  lexer->mark_end(lexer);
  skip_blanks(lexer);
  lexer->result_symbol = ALLOW;
  return at_end_of_line(lexer);
}

static bool scan_comment(TSLexer *lexer) {
  advance(lexer);
  lexer->mark_end(lexer);
  skip_blanks(lexer);
  if (lexer->lookahead == 'b') {
    if (accept(lexer, "bitmill:")) return scan_allow(lexer);
    lexer->mark_end(lexer);
  }
  lexer->result_symbol = COMMENT;
  while (!at_end_of_line(lexer)) {
    bool visible = !is_blank(lexer->lookahead);
    advance(lexer);
    if (visible) lexer->mark_end(lexer);
  }
  return true;
}

// ---- Numbers -------------------------------------------------------------------------------------------------------

static bool is_unit(const char *word) {
  for (unsigned i = 0; i < sizeof(UNITS) / sizeof(*UNITS); i++) {
    if (!strcmp(word, UNITS[i])) return true;
  }
  return false;
}

// Digits with `_` between them. False if a `_` is not between two digits.
static bool skip_digits(TSLexer *lexer) {
  while (is_digit(lexer->lookahead)) {
    advance(lexer);
    if (lexer->lookahead == '_') {
      advance(lexer);
      if (!is_digit(lexer->lookahead)) return false;
    }
  }
  return true;
}

static bool scan_number(TSLexer *lexer) {
  if (lexer->lookahead == '-') {
    advance(lexer);
    if (!is_digit(lexer->lookahead) && lexer->lookahead != '.') return false;
  }
  if (!skip_digits(lexer)) return false;
  lexer->mark_end(lexer);
  lexer->result_symbol = NUMBER;
  if (lexer->lookahead == '.') {
    advance(lexer);
    if (!is_digit(lexer->lookahead)) return false;
    if (!skip_digits(lexer)) return false;
    lexer->mark_end(lexer);
  }
  char unit[LONGEST_WORD] = "";
  unsigned length = 0;
  if (lexer->lookahead == 'e' || lexer->lookahead == 'E') {
    advance(lexer);
    if (lexer->lookahead == '+' || lexer->lookahead == '-') advance(lexer);
    if (!is_digit(lexer->lookahead)) return false;
    if (!skip_digits(lexer)) return false;
    lexer->mark_end(lexer);
  }
  if (lexer->lookahead == '%') {
    advance(lexer);
    lexer->mark_end(lexer);
    lexer->result_symbol = QUANTITY;
    return true;
  }
  for (; is_word_part(lexer->lookahead); advance(lexer)) {
    if (lexer->lookahead > 0x7F || length + 1 == LONGEST_WORD) return false;
    unit[length++] = (char)lexer->lookahead;
  }
  if (length > 0) {
    if (!is_unit(unit)) return false;
    lexer->mark_end(lexer);
    lexer->result_symbol = QUANTITY;
  }
  if (lexer->lookahead == '.' || lexer->lookahead == '-') {
    advance(lexer);
    return !is_alphanumeric(lexer->lookahead);
  }
  return true;
}

// ---- The rest ------------------------------------------------------------------------------------------------------

// What stands between quotes, escapes of strings left out.
static bool scan_quoted(TSLexer *lexer, int32_t quote, enum Symbol symbol) {
  bool any = false;
  while (!at_end_of_line(lexer) && lexer->lookahead != quote) {
    if (lexer->lookahead == '\\') {
      if (symbol == TEXT) break;
      advance(lexer);
      if (at_end_of_line(lexer)) return false;
    }
    advance(lexer);
    any = true;
  }
  lexer->mark_end(lexer);
  lexer->result_symbol = symbol;
  return any;
}

static bool scan_bracket(Scanner *scanner, TSLexer *lexer, const char *bracket) {
  unsigned index = (unsigned)(bracket - BRACKETS);
  if (index % 2 == 0) {
    if (scanner->depth < UINT8_MAX) scanner->depth++;
  } else if (scanner->depth > 0) {
    scanner->depth--;
  }
  advance(lexer);
  lexer->mark_end(lexer);
  lexer->result_symbol = (TSSymbol)(OPEN_PAREN + index);
  return true;
}

bool tree_sitter_bitmill_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
  Scanner *scanner = payload;
  bool recovering = valid[NEVER];
  if (valid[TEXT] && !recovering) return scan_quoted(lexer, '"', TEXT);
  if (valid[PATTERN] && !recovering) return scan_quoted(lexer, '/', PATTERN);
  while (!lexer->eof(lexer) && is_blank(lexer->lookahead)) lexer->advance(lexer, true);
  if (lexer->eof(lexer)) return false;
  int32_t c = lexer->lookahead;
  if (is_newline(c)) return scan_newline(scanner, lexer, valid);
  if (c == '#') return scan_comment(lexer);
  if ((valid[BEGIN] || valid[SAME_LINE]) && !recovering) {
    lexer->mark_end(lexer);
    lexer->result_symbol = valid[BEGIN] ? BEGIN : SAME_LINE;
    if (valid[BEGIN]) {
      uint32_t column = lexer->get_column(lexer);
      scanner->indent = column < UINT16_MAX ? (uint16_t)column : UINT16_MAX;
      scanner->depth = 0;
    }
    return true;
  }
  if (is_digit(c) || c == '-' || c == '.') return scan_number(lexer);
  const char *bracket = c > 0 && c <= 0x7F ? strchr(BRACKETS, (char)c) : NULL;
  return bracket && scan_bracket(scanner, lexer, bracket);
}

void *tree_sitter_bitmill_external_scanner_create(void) { return ts_calloc(1, sizeof(Scanner)); }

void tree_sitter_bitmill_external_scanner_destroy(void *payload) { ts_free(payload); }

unsigned tree_sitter_bitmill_external_scanner_serialize(void *payload, char *buffer) {
  memcpy(buffer, payload, sizeof(Scanner));
  return sizeof(Scanner);
}

void tree_sitter_bitmill_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  memset(payload, 0, sizeof(Scanner));
  if (length == sizeof(Scanner)) memcpy(payload, buffer, sizeof(Scanner));
}
