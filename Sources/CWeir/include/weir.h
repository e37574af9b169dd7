// SPDX-License-Identifier: Apache-2.0
//
// Weir's C interface: tables and Parquet files, in and out as Arrow columns.
//
// Length: all declarations are in one file, as C programs expect.
//
// Rules that hold for every function:
// - Handles are opaque. `..._open` makes one; each call that ends a handle takes a pointer to it, sets
//   it to NULL, and does nothing when it is NULL already, so that ending twice does no harm.
// - A function that can fail returns WEIR_OK (0) or another WEIR_* status. With a non-NULL `error` it
//   then also stores an error there, which the caller frees with `weir_error_free`; on success it
//   stores NULL. Nothing else is written to the other outputs on failure.
// - Arguments are checked: NULL where something is needed, a negative count, an unknown name or an
//   unknown option is an error, never a crash. What cannot be checked is a pointer to freed memory.
// - Text is UTF-8 and ends with a zero byte.
// - Calls block and start no threads, but for requests to stores on other machines. One thread at a
//   time may use a handle; different handles are independent, also those made from one another. A
//   forked child may open and read files whatever its parent did before; it must not use handles that
//   another thread was using at the fork.
// - Columns travel by the Arrow C data and C stream interfaces, without copies. An Arrow struct that
//   goes in is moved, on success and on failure: its `release` is NULL afterwards. One that comes out
//   is the caller's to release; it keeps its memory alive, whatever handles end before.
#ifndef WEIR_H
#define WEIR_H

#include <stdint.h>

#include "arrow_c_data.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WEIR_EXPORT __attribute__((visibility("default")))
#else
#define WEIR_EXPORT
#endif

// What a call returns, and what `weir_error_code` says. More may come in later versions.
#define WEIR_OK 0
// The arguments are wrong or do not fit each other.
#define WEIR_INVALID_ARGUMENT 1
// There is no such file.
#define WEIR_NOT_FOUND 2
// The file is there already and may not be replaced.
#define WEIR_ALREADY_EXISTS 3
// The operating system does not allow it.
#define WEIR_PERMISSION_DENIED 4
// Reading or writing failed.
#define WEIR_IO 5
// The file's or the caller's bytes break the format's rules.
#define WEIR_INVALID_DATA 6
// Valid, but this version cannot do it.
#define WEIR_UNSUPPORTED 7
// A result does not fit its type or a limit.
#define WEIR_OVERFLOW 8
// A stream that the caller handed in reported an error.
#define WEIR_SOURCE_FAILED 9
// A bug in Weir.
#define WEIR_INTERNAL 10
// Somebody else changed the table first, and the change cannot be made on top of theirs.
#define WEIR_CONFLICT 11
// Whether the change was made is not known: look before trying again.
#define WEIR_UNKNOWN_OUTCOME 12

typedef struct weir_error weir_error;
typedef struct weir_parquet_reader weir_parquet_reader;
typedef struct weir_parquet_writer weir_parquet_writer;
typedef struct weir_file weir_file;
typedef struct weir_batches weir_batches;
typedef struct weir_batch weir_batch;
typedef struct weir_connection weir_connection;
typedef struct weir_table weir_table;

// One setting. `column` is NULL for all columns, or a column's path with dots between its levels.
typedef struct weir_option {
  const char *key;
  const char *value;
  const char *column;
} weir_option;

// The library's version, such as "0.1.0". Never NULL; not to be freed.
WEIR_EXPORT const char *weir_version(void);

// Frees text that a function returned through a `char **`. NULL is allowed.
WEIR_EXPORT void weir_string_free(char *text);

// ---- Errors ------------------------------------------------------------------------------------
// All accessors accept NULL. Texts live as long as the error.

// A WEIR_* status; WEIR_OK for NULL.
WEIR_EXPORT int32_t weir_error_code(const weir_error *error);
// What happened and what to do, with file, column and position in it. Empty for NULL.
WEIR_EXPORT const char *weir_error_message(const weir_error *error);
// The file, or NULL where none is known.
WEIR_EXPORT const char *weir_error_path(const weir_error *error);
// The column's path, or NULL.
WEIR_EXPORT const char *weir_error_column(const weir_error *error);
// The page's number within its column chunk, or -1.
WEIR_EXPORT int64_t weir_error_page(const weir_error *error);
// The byte position in the file, or -1.
WEIR_EXPORT int64_t weir_error_position(const weir_error *error);
WEIR_EXPORT void weir_error_free(weir_error *error);

// ---- Reading Parquet ---------------------------------------------------------------------------

// Opens the file at `path` and reads its footer.
//
// Options: "verify_checksums" ("true", which is the default, or "false"); "validate_text" ("true",
// which is the default, or "false"): whether strings that are not UTF-8 are an error; "int96_unit"
// ("ns", which is the default, "us", "ms" or "s").
WEIR_EXPORT int32_t weir_parquet_reader_open(
    const char *path, const weir_option *options, int64_t option_count,
    weir_parquet_reader **reader, weir_error **error);

// Rows in the file; -1 for NULL.
WEIR_EXPORT int64_t weir_parquet_reader_row_count(const weir_parquet_reader *reader);
// Row groups in the file; -1 for NULL.
WEIR_EXPORT int64_t weir_parquet_reader_row_group_count(const weir_parquet_reader *reader);

// The Arrow schema of the file's columns, or of the chosen ones in their order when `columns` is not
// NULL.
WEIR_EXPORT int32_t weir_parquet_reader_schema(
    const weir_parquet_reader *reader, const char *const *columns, int64_t column_count,
    struct ArrowSchema *schema, weir_error **error);

// The file's metadata as a JSON object: version, created_by, row_count, row_groups with their
// columns' encodings, sizes and statistics, and key_value_metadata. Free with `weir_string_free`.
WEIR_EXPORT int32_t weir_parquet_reader_metadata_json(
    const weir_parquet_reader *reader, char **json, weir_error **error);

// Starts reading. `columns` NULL means all; `row_groups` NULL means all (numbers count from 0); with
// a count of 0 and a non-NULL pointer, none. Batches have at most `batch_rows` rows; 0 means the
// default (65,536). The batches go on working after the reader is closed.
WEIR_EXPORT int32_t weir_parquet_reader_read(
    const weir_parquet_reader *reader, const char *const *columns, int64_t column_count,
    const int64_t *row_groups, int64_t row_group_count, int64_t batch_rows,
    weir_batches **batches, weir_error **error);

WEIR_EXPORT void weir_parquet_reader_close(weir_parquet_reader **reader);

// ---- Batches -----------------------------------------------------------------------------------

// The schema of every batch.
WEIR_EXPORT int32_t weir_batches_schema(
    const weir_batches *batches, struct ArrowSchema *schema, weir_error **error);

// The next batch, or NULL at the end and ever after. After an error the batches give no more.
WEIR_EXPORT int32_t weir_batches_next(
    weir_batches *batches, weir_batch **batch, weir_error **error);

// Turns the batches that are left into an Arrow stream, which owns them from then on: sets
// `*batches` to NULL.
WEIR_EXPORT int32_t weir_batches_export(
    weir_batches **batches, struct ArrowArrayStream *stream, weir_error **error);

WEIR_EXPORT void weir_batches_close(weir_batches **batches);

// Rows in the batch; -1 for NULL.
WEIR_EXPORT int64_t weir_batch_row_count(const weir_batch *batch);

// The batch as a struct array, one child a column, and its type; either output may be NULL. They
// share the batch's memory; any number of exports is fine.
WEIR_EXPORT int32_t weir_batch_export(
    const weir_batch *batch, struct ArrowSchema *schema, struct ArrowArray *array,
    weir_error **error);

#define WEIR_MATRIX_FLOAT32 0
#define WEIR_MATRIX_INT64 1

// Writes columns of numbers (booleans, dates and times, too) side by side as a matrix of `type`: value j
// of row i goes to out[i * stride + j]. `columns` NULL means all; `stride` counts values and is at least
// their number; `out` has room for row_count * stride values. Nulls, and NaN, become `missing`; what does
// not fit an integer becomes 0.
WEIR_EXPORT int32_t weir_batch_matrix(
    const weir_batch *batch, const char *const *columns, int64_t column_count, int32_t type,
    double missing, int64_t stride, void *out, weir_error **error);

WEIR_EXPORT void weir_batch_close(weir_batch **batch);

// ---- Writing Parquet ---------------------------------------------------------------------------

// Starts a new file, which appears at `path`, complete, when `weir_parquet_writer_close` succeeds;
// before that and after any failure `path` is untouched. `schema` is a struct type with one child a
// column. Options: see docs/python.md.
WEIR_EXPORT int32_t weir_parquet_writer_open(
    const char *path, struct ArrowSchema *schema, const weir_option *options,
    int64_t option_count, weir_parquet_writer **writer, weir_error **error);

// Writes the rows of a struct array, one child a column. `schema` is its type, or NULL for the
// writer's; it must have the writer's columns, in the same order, with the same types.
WEIR_EXPORT int32_t weir_parquet_writer_write(
    weir_parquet_writer *writer, struct ArrowArray *array, struct ArrowSchema *schema,
    weir_error **error);

// Writes all batches of a stream, whose schema must fit as an array's must.
WEIR_EXPORT int32_t weir_parquet_writer_write_stream(
    weir_parquet_writer *writer, struct ArrowArrayStream *stream, weir_error **error);

// Rows written so far; -1 for NULL.
WEIR_EXPORT int64_t weir_parquet_writer_row_count(const weir_parquet_writer *writer);

// Completes the file and ends the handle, also when it fails (nothing is left behind then).
WEIR_EXPORT int32_t weir_parquet_writer_close(weir_parquet_writer **writer, weir_error **error);

// Throws away what was written and ends the handle.
WEIR_EXPORT void weir_parquet_writer_abort(weir_parquet_writer **writer);

// ---- Weir files --------------------------------------------------------------------------------
// Files of Weir's own format: docs/specs/weir-file.md.

// Opens the file at `path`; its cost does not grow with the number of columns.
//
// Options: "verify_checksums" ("true", which is the default, or "false"); "cache_bytes": what reads of
// single rows keep of the file for the next ones (256 MiB); "memory_map" ("false", which is the
// default, or "true": nothing is copied, but the process ends when somebody cuts the file meanwhile).
WEIR_EXPORT int32_t weir_file_open(
    const char *path, const weir_option *options, int64_t option_count, weir_file **file,
    weir_error **error);

// Rows in the file, and columns; -1 for NULL.
WEIR_EXPORT int64_t weir_file_row_count(const weir_file *file);
WEIR_EXPORT int64_t weir_file_column_count(const weir_file *file);

// The Arrow schema of all columns, or of the chosen ones in their order when `columns` is not NULL. Here and
// below, a name that is a dotted path, "place.city", is the column "place" with that field of its struct
// alone; several paths of one column make one column.
WEIR_EXPORT int32_t weir_file_schema(
    const weir_file *file, const char *const *columns, int64_t column_count,
    struct ArrowSchema *schema, weir_error **error);

// Starts reading rows `first_row` to `first_row + row_count - 1` (to the end when `row_count` is -1).
// `columns` NULL means all. Batches have at most `batch_rows` rows; 0 means the default (16,384).
WEIR_EXPORT int32_t weir_file_read(
    const weir_file *file, const char *const *columns, int64_t column_count, int64_t first_row,
    int64_t row_count, int64_t batch_rows, weir_batches **batches, weir_error **error);

// The same, but for columns of lists that share their items: those come as dictionary arrays (indices
// of 32 bits, lists as values), with the batch's lists that differ, each decoded once, and every row's
// number of one, ascending by first appearance.
WEIR_EXPORT int32_t weir_file_read_unique(
    const weir_file *file, const char *const *columns, int64_t column_count, int64_t first_row,
    int64_t row_count, int64_t batch_rows, weir_batches **batches, weir_error **error);

// The given rows, in the order given, as one batch; rows may repeat.
WEIR_EXPORT int32_t weir_file_take(
    const weir_file *file, const char *const *columns, int64_t column_count, const int64_t *rows,
    int64_t row_count, weir_batch **batch, weir_error **error);

// Starts reading the rows for which a predicate is true ("user_id IN (5, 7) AND at < 100": docs/cli.md
// has the syntax), in the order of the file. Pages that cannot match are not read; rows of key columns
// ("key_columns" of weir_file_write) are looked up. Otherwise as weir_file_read.
WEIR_EXPORT int32_t weir_file_matches(
    const weir_file *file, const char *predicate, const char *const *columns, int64_t column_count,
    int64_t batch_rows, weir_batches **batches, weir_error **error);

WEIR_EXPORT void weir_file_close(weir_file **file);

// Writes all rows of a stream to a new file, which appears at `path`, complete, when the function
// succeeds. `row_count` may be NULL. Options: see docs/python.md.
WEIR_EXPORT int32_t weir_file_write(
    const char *path, struct ArrowArrayStream *stream, const weir_option *options,
    int64_t option_count, int64_t *row_count, weir_error **error);

// Writes the file again, to `path` (its own path, too), without the values that some rows have in the columns:
// they become null, or zero and empty where no nulls are allowed. The rows are the given ones or those for
// which a predicate is true; one of both is NULL. Options: "profile", "overwrite". `erased` may be NULL.
WEIR_EXPORT int32_t weir_file_erase(
    const weir_file *file, const char *const *columns, int64_t column_count, const int64_t *rows,
    int64_t row_count, const char *predicate, const char *path, const weir_option *options,
    int64_t option_count, int64_t *erased, weir_error **error);

// ---- Catalogs ----------------------------------------------------------------------------------

// Opens the catalog at `address`: a folder, "sqlite:FILE", "postgresql://...", "http(s)://..." (an
// Iceberg REST catalog) or "memory:". Properties: see docs/python.md ("warehouse", "s3.endpoint",
// "token" ...).
WEIR_EXPORT int32_t weir_connection_open(
    const char *address, const weir_option *properties, int64_t property_count,
    weir_connection **connection, weir_error **error);

// Asks for something, or changes something, that needs no columns: `operation` with a JSON object of
// arguments (NULL for none), answered by JSON. The operations are listed in docs/c.md. Free the answer
// with `weir_string_free`. Unlike other handles, connections may be used by several threads.
WEIR_EXPORT int32_t weir_connection_request(
    weir_connection *connection, const char *operation, const char *arguments, char **answer,
    weir_error **error);

// Creates a table with the columns of an Arrow schema. Options: "format_version" ("2" or "3", which is
// the default), "location", "partition" and "sort" (JSON: see docs/c.md), "exist_ok" ("true": opens a
// table that is there already), "property.NAME".
WEIR_EXPORT int32_t weir_connection_create_table(
    weir_connection *connection, const char *identifier, struct ArrowSchema *schema,
    const weir_option *options, int64_t option_count, weir_table **table, weir_error **error);

WEIR_EXPORT void weir_connection_close(weir_connection **connection);

// ---- Tables ------------------------------------------------------------------------------------

// Opens the table "namespace.name" as it is now. It goes on working after the connection is closed.
WEIR_EXPORT int32_t weir_table_open(
    weir_connection *connection, const char *identifier, weir_table **table, weir_error **error);

// As `weir_connection_request`, for one table.
WEIR_EXPORT int32_t weir_table_request(
    weir_table *table, const char *operation, const char *arguments, char **answer,
    weir_error **error);

// The Arrow schema of the current columns.
WEIR_EXPORT int32_t weir_table_schema(
    weir_table *table, struct ArrowSchema *schema, weir_error **error);

// Starts reading rows. `columns` NULL means all. Options: "where" (a predicate such as
// "country = 'de' AND ts >= timestamp '2026-01-01'"), "at" (a snapshot id, a time, a branch or a tag),
// "limit", "batch_rows", "case_sensitive"; for the rows that were appended between two snapshots, for
// what changed between them and for tables about the table see docs/c.md.
WEIR_EXPORT int32_t weir_table_scan(
    weir_table *table, const char *const *columns, int64_t column_count,
    const weir_option *options, int64_t option_count, weir_batches **batches, weir_error **error);

// Adds the rows of a stream in one commit, matched to the table's columns by name. Options: "branch",
// "property.NAME" (goes to the snapshot's summary). `answer`, which may be NULL, gets the snapshot as
// JSON.
WEIR_EXPORT int32_t weir_table_append(
    weir_table *table, struct ArrowArrayStream *stream, const weir_option *options,
    int64_t option_count, char **answer, weir_error **error);

// Replaces the rows that `where` matches (all when NULL) by those of a stream, in one commit.
WEIR_EXPORT int32_t weir_table_overwrite(
    weir_table *table, struct ArrowArrayStream *stream, const char *where,
    const weir_option *options, int64_t option_count, char **answer, weir_error **error);

// Replaces the rows whose keys come in a stream and adds the stream's other rows, in one commit. `keys`
// NULL means the table's identifier columns.
WEIR_EXPORT int32_t weir_table_upsert(
    weir_table *table, struct ArrowArrayStream *stream, const char *const *keys, int64_t key_count,
    const weir_option *options, int64_t option_count, char **answer, weir_error **error);

// Gives a column (new, if there is none of the name) the values of a stream by its rows' keys, and rewrites
// nothing else. `keys` NULL means the identifier columns. `stream` NULL means values that are computed from
// the table's own columns. Options: "value", "where", "memory_bytes", "part" (docs/c.md).
WEIR_EXPORT int32_t weir_table_backfill(
    weir_table *table, const char *column, struct ArrowArrayStream *stream,
    const char *const *keys, int64_t key_count, const weir_option *options, int64_t option_count,
    char **answer, weir_error **error);

// Deletes the rows that `where` matches, in one commit.
WEIR_EXPORT int32_t weir_table_delete(
    weir_table *table, const char *where, const weir_option *options, int64_t option_count,
    char **answer, weir_error **error);

WEIR_EXPORT void weir_table_close(weir_table **table);

// ---- Batches for training ----------------------------------------------------------------------
// Rows that a loader keeps for its batches; one call gathers a batch.

// Lists of many rows: list `k` of row `r` has the values from offsets[r * width + k] up to the next
// offset. There are row_count * width + 1 offsets.
typedef struct weir_lists {
  const int64_t *offsets;
  int64_t row_count;
  int64_t width;
  const void *values;
  int64_t value_count;
  // Bytes of a value: 4 or 8.
  int64_t value_bytes;
} weir_lists;

// Where one of the lists of a batch goes.
typedef struct weir_list_output {
  // 0: all values, one row after the other. Else every row has so many places, cut or filled up.
  int64_t length;
  // With a length: that many values and bytes of 0 or 1 (is there a value) for each row. Else NULL; the
  // call sets `values` to a place in the room.
  void *values;
  uint8_t *mask;
  // Without a length: one more than the batch has rows.
  int64_t *offsets;
} weir_list_output;

// Gathers the lists of the rows `rows`, which count from 0, into lists->width outputs. The room takes
// the values of all outputs without a length; `room_count` values of them must suffice. Pointers are
// aligned as their types ask. Offsets are checked: damaged ones are WEIR_INVALID_DATA.
WEIR_EXPORT int32_t weir_lists_gather(
    const weir_lists *lists, const int64_t *rows, int64_t row_count, weir_list_output *outputs,
    void *room, int64_t room_count, weir_error **error);

// ---- Python capsules ---------------------------------------------------------------------------
// Python hands Arrow structs around in capsules. Their destructors run at any time, also while an
// exception is on its way and at the interpreter's end, so they must not be Python code.

// `PyCapsule_GetPointer` of the running interpreter; call once before any capsule is made.
WEIR_EXPORT void weir_capsule_setup(void *(*get_pointer)(void *capsule, const char *name));

// Zeroed memory for one ArrowSchema, ArrowArray or ArrowArrayStream, to be owned by a capsule; NULL
// when there is none left.
WEIR_EXPORT void *weir_capsule_allocate(void);

// Frees that memory where no capsule was made. NULL is allowed.
WEIR_EXPORT void weir_capsule_free(void *memory);

// Destructors of capsules named "arrow_schema", "arrow_array" and "arrow_array_stream": release what
// nobody consumed and free the memory.
WEIR_EXPORT void weir_capsule_destroy_schema(void *capsule);
WEIR_EXPORT void weir_capsule_destroy_array(void *capsule);
WEIR_EXPORT void weir_capsule_destroy_stream(void *capsule);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_H
