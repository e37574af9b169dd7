// SPDX-License-Identifier: Apache-2.0
//
// The C interface from C, under address sanitizer (dev/test-c): what weir.h promises about errors,
// NULLs, ending twice and who owns what. Writes a file, reads it back, and damages it. Catalogs and
// tables are in tables_test.c.
//
// Length: one program; its helpers are of no use elsewhere.
//
// usage: weir_test FOLDER
#include "support.h"

// ---- The checks --------------------------------------------------------------------------------

static char path[4096], other[4096];
static const int64_t row_count = 1000;

static int exists(const char *name) {
  FILE *file = fopen(name, "rb");
  if (file) fclose(file);
  return file != NULL;
}

static void check_nulls(void) {
  CHECK(strlen(weir_version()) > 0);
  CHECK(weir_error_code(NULL) == WEIR_OK);
  CHECK(strcmp(weir_error_message(NULL), "") == 0);
  CHECK(weir_error_path(NULL) == NULL && weir_error_column(NULL) == NULL);
  CHECK(weir_error_page(NULL) == -1 && weir_error_position(NULL) == -1);
  weir_error_free(NULL);
  weir_string_free(NULL);
  CHECK(weir_parquet_reader_row_count(NULL) == -1);
  CHECK(weir_parquet_reader_row_group_count(NULL) == -1);
  CHECK(weir_parquet_writer_row_count(NULL) == -1);
  CHECK(weir_batch_row_count(NULL) == -1);

  weir_parquet_reader *reader = NULL;
  weir_parquet_writer *writer = NULL;
  weir_batches *batches = NULL;
  weir_batch *batch = NULL;
  weir_parquet_reader_close(NULL);
  weir_parquet_reader_close(&reader);
  weir_parquet_writer_abort(NULL);
  weir_parquet_writer_abort(&writer);
  weir_batches_close(NULL);
  weir_batches_close(&batches);
  weir_batch_close(NULL);
  weir_batch_close(&batch);
  OK(weir_parquet_writer_close(NULL, &error));
  OK(weir_parquet_writer_close(&writer, &error));

  const int32_t bad = WEIR_INVALID_ARGUMENT;
  struct ArrowSchema schema;
  struct ArrowArray array;
  struct ArrowArrayStream stream;
  char *json = NULL;
  FAILS(bad, "path is NULL", weir_parquet_reader_open(NULL, NULL, 0, &reader, &error));
  FAILS(bad, "path is empty", weir_parquet_reader_open("", NULL, 0, &reader, &error));
  FAILS(bad, "not UTF-8", weir_parquet_reader_open("\xff\xfe", NULL, 0, &reader, &error));
  FAILS(bad, "reader is NULL", weir_parquet_reader_open(path, NULL, 0, NULL, &error));
  FAILS(bad, "option_count", weir_parquet_reader_open(path, NULL, -1, &reader, &error));
  FAILS(bad, "options is NULL", weir_parquet_reader_open(path, NULL, 2, &reader, &error));
  FAILS(bad, "reader is NULL", weir_parquet_reader_schema(NULL, NULL, 0, &schema, &error));
  FAILS(bad, "reader is NULL", weir_parquet_reader_metadata_json(NULL, &json, &error));
  FAILS(bad, "reader is NULL",
        weir_parquet_reader_read(NULL, NULL, 0, NULL, 0, 0, &batches, &error));
  FAILS(bad, "batches is NULL", weir_batches_schema(NULL, &schema, &error));
  FAILS(bad, "batches is NULL", weir_batches_next(NULL, &batch, &error));
  FAILS(bad, "batches is NULL", weir_batches_export(NULL, &stream, &error));
  FAILS(bad, "batches is NULL", weir_batches_export(&batches, &stream, &error));
  FAILS(bad, "batch is NULL", weir_batch_export(NULL, &schema, &array, &error));
  CHECK(reader == NULL && batches == NULL && batch == NULL && json == NULL);

  // Without a place for the error, the status alone.
  CHECK(weir_parquet_reader_open(NULL, NULL, 0, &reader, NULL) == bad);

  // What goes in is released, whatever is wrong with the call.
  FAILS(bad, "schema is NULL", weir_parquet_writer_open(path, NULL, NULL, 0, &writer, &error));
  make_row_schema(&schema);
  FAILS(bad, "path is NULL", weir_parquet_writer_open(NULL, &schema, NULL, 0, &writer, &error));
  CHECK(schema.release == NULL);
  FAILS(bad, "released", weir_parquet_writer_open(path, &schema, NULL, 0, &writer, &error));
  make_rows(&array, 0, 10);
  make_row_schema(&schema);
  FAILS(bad, "writer is NULL", weir_parquet_writer_write(NULL, &array, &schema, &error));
  CHECK(array.release == NULL && schema.release == NULL);
  make_stream(&stream, 0, 100, -1);
  FAILS(bad, "writer is NULL", weir_parquet_writer_write_stream(NULL, &stream, &error));
  CHECK(stream.release == NULL && live_structs == 0);
}

static weir_parquet_writer *open_writer(const char *name, const char *key, const char *value) {
  struct ArrowSchema schema;
  weir_parquet_writer *writer = NULL;
  weir_option option = {key, value, NULL};
  make_row_schema(&schema);
  OK(weir_parquet_writer_open(name, &schema, &option, 1, &writer, &error));
  CHECK(schema.release == NULL && writer != NULL);
  return writer;
}

static void check_writing(void) {
  struct ArrowSchema schema;
  struct ArrowArray array;
  struct ArrowArrayStream stream;
  const int32_t bad = WEIR_INVALID_ARGUMENT;
  weir_parquet_writer *writer = NULL;

  weir_option unknown = {"colour", "blue", NULL};
  make_row_schema(&schema);
  FAILS(bad, "colour", weir_parquet_writer_open(path, &schema, &unknown, 1, &writer, &error));
  weir_option invalid = {"compression", "zip", NULL};
  make_row_schema(&schema);
  FAILS(bad, "zip", weir_parquet_writer_open(path, &schema, &invalid, 1, &writer, &error));
  weir_option no_value = {"compression", NULL, NULL};
  make_row_schema(&schema);
  FAILS(bad, "NULL", weir_parquet_writer_open(path, &schema, &no_value, 1, &writer, &error));
  make_row_schema(&schema);
  FAILS(WEIR_NOT_FOUND, "nowhere",
        weir_parquet_writer_open("nowhere/at/all.parquet", &schema, NULL, 0, &writer, &error));
  CHECK(writer == NULL);

  // Aborted: nothing stays.
  writer = open_writer(path, "compression", "zstd");
  make_rows(&array, 0, 10);
  OK(weir_parquet_writer_write(writer, &array, NULL, &error));
  weir_parquet_writer_abort(&writer);
  CHECK(writer == NULL && !exists(path));
  weir_parquet_writer_abort(&writer);

  // A failing source, then an array that does not fit, then the rest; the writer goes on.
  writer = open_writer(path, "row_group_rows", "400");
  make_stream(&stream, 0, 200, 200);
  FAILS(WEIR_SOURCE_FAILED, "on fire", weir_parquet_writer_write_stream(writer, &stream, &error));
  CHECK(weir_parquet_writer_row_count(writer) == 200);
  make_rows(&array, 0, 10);
  make_row_schema(&schema);
  schema.children[0]->name = "number";
  FAILS(bad, "number", weir_parquet_writer_write(writer, &array, &schema, &error));
  make_rows(&array, 200, 100);
  make_row_schema(&schema);
  OK(weir_parquet_writer_write(writer, &array, &schema, &error));
  CHECK(array.release == NULL && schema.release == NULL);
  FAILS(bad, "released", weir_parquet_writer_write(writer, &array, NULL, &error));
  make_stream(&stream, 300, row_count, -1);
  OK(weir_parquet_writer_write_stream(writer, &stream, &error));
  CHECK(stream.release == NULL);
  CHECK(weir_parquet_writer_row_count(writer) == row_count);
  CHECK(!exists(path));
  OK(weir_parquet_writer_close(&writer, &error));
  CHECK(writer == NULL && exists(path));
  OK(weir_parquet_writer_close(&writer, &error));

  weir_option keep = {"overwrite", "false", NULL};
  make_row_schema(&schema);
  FAILS(WEIR_ALREADY_EXISTS, NULL,
        weir_parquet_writer_open(path, &schema, &keep, 1, &writer, &error));
  CHECK(live_structs == 0);
}

// Rows from `start` on; returns how many.
static int64_t check_rows(const struct ArrowArray *array, int64_t start) {
  CHECK(array->n_children == 2);
  const struct ArrowArray *ids = array->children[0], *names = array->children[1];
  const int64_t *values = (const int64_t *)ids->buffers[1] + ids->offset;
  const int32_t *offsets = (const int32_t *)names->buffers[1] + names->offset;
  const uint8_t *validity = names->buffers[0];
  for (int64_t i = 0; i < array->length; i++) {
    char text[32];
    int64_t bit = names->offset + i;
    CHECK(values[i] == start + i);
    int is_null = validity != NULL && (validity[bit / 8] >> (bit % 8) & 1) == 0;
    CHECK(is_null == (values[i] % 10 == 0));
    if (is_null) continue;
    int length = snprintf(text, sizeof text, "name-%" PRId64, values[i]);
    CHECK(offsets[i + 1] - offsets[i] == length);
    CHECK(memcmp((const char *)names->buffers[2] + offsets[i], text, (size_t)length) == 0);
  }
  return array->length;
}

static void check_reading(void) {
  const int32_t bad = WEIR_INVALID_ARGUMENT;
  weir_parquet_reader *reader = NULL;
  weir_batches *batches = NULL;
  weir_batch *batch = NULL;
  struct ArrowSchema schema;
  struct ArrowArray array;
  struct ArrowArrayStream stream;
  char *json = NULL;

  OK(weir_parquet_reader_open(path, NULL, 0, &reader, &error));
  CHECK(weir_parquet_reader_row_count(reader) == row_count);
  CHECK(weir_parquet_reader_row_group_count(reader) == 3);
  OK(weir_parquet_reader_metadata_json(reader, &json, &error));
  CHECK(strstr(json, "\"row_count\":1000") != NULL && strstr(json, "\"path\":\"name\"") != NULL);
  weir_string_free(json);
  OK(weir_parquet_reader_schema(reader, NULL, 0, &schema, &error));
  CHECK(schema.n_children == 2 && strcmp(schema.children[1]->format, "u") == 0);
  schema.release(&schema);
  const char *names[] = {"name"};
  OK(weir_parquet_reader_schema(reader, names, 1, &schema, &error));
  CHECK(schema.n_children == 1 && strcmp(schema.children[0]->name, "name") == 0);
  schema.release(&schema);

  // Wrong arguments.
  const char *no_such[] = {"nickname"}, *no_name[] = {NULL};
  const int64_t no_group[] = {3}, negative_group[] = {-1};
  FAILS(bad, "nickname",
        weir_parquet_reader_read(reader, no_such, 1, NULL, 0, 0, &batches, &error));
  FAILS(bad, "columns[0]",
        weir_parquet_reader_read(reader, no_name, 1, NULL, 0, 0, &batches, &error));
  FAILS(bad, "column_count",
        weir_parquet_reader_read(reader, names, -1, NULL, 0, 0, &batches, &error));
  FAILS(bad, "columns is NULL",
        weir_parquet_reader_read(reader, NULL, 1, NULL, 0, 0, &batches, &error));
  FAILS(bad, "row_groups[0] is 3",
        weir_parquet_reader_read(reader, NULL, 0, no_group, 1, 0, &batches, &error));
  FAILS(bad, "row_groups[0] is -1",
        weir_parquet_reader_read(reader, NULL, 0, negative_group, 1, 0, &batches, &error));
  FAILS(bad, "row_group_count",
        weir_parquet_reader_read(reader, NULL, 0, no_group, INT64_MIN, 0, &batches, &error));
  FAILS(bad, "batch_rows",
        weir_parquet_reader_read(reader, NULL, 0, NULL, 0, -1, &batches, &error));
  FAILS(bad, "batches is NULL",
        weir_parquet_reader_read(reader, NULL, 0, NULL, 0, 0, NULL, &error));
  FAILS(bad, "another kind", weir_batches_next((weir_batches *)reader, &batch, &error));
  CHECK(weir_batch_row_count((weir_batch *)reader) == -1);
  CHECK(batches == NULL);

  // Batches one by one; the reader may go before them, and they before what they gave.
  OK(weir_parquet_reader_read(reader, NULL, 0, NULL, 0, 128, &batches, &error));
  weir_batches *all = NULL, *second = NULL, *unused = NULL;
  const int64_t groups[] = {1};
  OK(weir_parquet_reader_read(reader, NULL, 0, NULL, 0, 0, &all, &error));
  OK(weir_parquet_reader_read(reader, NULL, 0, groups, 1, 0, &second, &error));
  OK(weir_parquet_reader_read(reader, names, 1, NULL, 0, 0, &unused, &error));
  weir_parquet_reader_close(&reader);
  CHECK(reader == NULL);
  weir_parquet_reader_close(&reader);
  weir_batches_close(&unused);
  int64_t rows = 0;
  for (;;) {
    OK(weir_batches_next(batches, &batch, &error));
    if (batch == NULL) break;
    OK(weir_batch_export(batch, &schema, &array, &error));
    CHECK(weir_batch_row_count(batch) == array.length && array.length <= 128);
    weir_batch_close(&batch);
    CHECK(batch == NULL);
    rows += check_rows(&array, rows);
    array.release(&array);
    schema.release(&schema);
  }
  CHECK(rows == row_count);
  OK(weir_batches_next(batches, &batch, &error));
  CHECK(batch == NULL);
  weir_batches_close(&batches);
  weir_batches_close(&batches);

  // The same as a stream.
  FAILS(bad, "stream is NULL", weir_batches_export(&all, NULL, &error));
  CHECK(all != NULL);
  OK(weir_batches_export(&all, &stream, &error));
  CHECK(all == NULL);
  CHECK(stream.get_schema(&stream, &schema) == 0 && schema.n_children == 2);
  schema.release(&schema);
  for (rows = 0;; array.release(&array)) {
    CHECK(stream.get_next(&stream, &array) == 0);
    if (array.release == NULL) break;
    rows += check_rows(&array, rows);
  }
  CHECK(rows == row_count);
  stream.release(&stream);

  // One row group, as a stream that is released before its end; its array lives on.
  OK(weir_batches_export(&second, &stream, &error));
  CHECK(stream.get_next(&stream, &array) == 0);
  stream.release(&stream);
  CHECK(check_rows(&array, 400) == 400);
  array.release(&array);
}

static void copy_damaged(long cut_at, long flip_at) {
  FILE *in = fopen(path, "rb"), *out = fopen(other, "wb");
  CHECK(in && out);
  for (long i = 0; cut_at < 0 || i < cut_at; i++) {
    int byte = fgetc(in);
    if (byte == EOF) break;
    fputc(i == flip_at ? byte ^ 0x55 : byte, out);
  }
  fclose(in);
  fclose(out);
}

static long file_size(const char *name) {
  FILE *file = fopen(name, "rb");
  CHECK(file != NULL);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  fclose(file);
  return size;
}

// Reads all of the damaged copy; whatever comes of it, it must not crash. Returns the status.
static int32_t read_damaged(void) {
  weir_parquet_reader *reader = NULL;
  weir_batches *batches = NULL;
  weir_batch *batch = NULL;
  int32_t status = weir_parquet_reader_open(other, NULL, 0, &reader, &error);
  if (status == WEIR_OK) {
    status = weir_parquet_reader_read(reader, NULL, 0, NULL, 0, 0, &batches, &error);
  }
  while (status == WEIR_OK) {
    status = weir_batches_next(batches, &batch, &error);
    if (batch == NULL) break;
    weir_batch_close(&batch);
  }
  if (status != WEIR_OK) {
    CHECK(strstr(weir_error_path(error), other) != NULL);
    CHECK(strlen(weir_error_message(error)) > 0);
    weir_error_free(error);
    error = NULL;
    if (batches) {  // Once broken, always broken.
      CHECK(weir_batches_next(batches, &batch, NULL) == status);
      CHECK(batch == NULL);
    }
  }
  weir_batches_close(&batches);
  weir_parquet_reader_close(&reader);
  return status;
}

static void check_damage(void) {
  weir_parquet_reader *reader = NULL;
  FAILS(WEIR_NOT_FOUND, "absent.parquet",
        weir_parquet_reader_open("absent.parquet", NULL, 0, &reader, &error));
  long size = file_size(path);
  copy_damaged(0, -1);
  CHECK(read_damaged() == WEIR_INVALID_DATA);
  copy_damaged(size - 1, -1);
  CHECK(read_damaged() == WEIR_INVALID_DATA);
  copy_damaged(size / 2, -1);
  CHECK(read_damaged() == WEIR_INVALID_DATA);
  int failures = 0;
  for (long at = 0; at < size; at++) {
    copy_damaged(-1, at);
    failures += read_damaged() != WEIR_OK;
  }
  CHECK(failures > 0);
  printf("%d of %ld files with one flipped byte gave an error, none a crash\n", failures, size);
}

static void check_lists(void) {
  // Two lists a row; rows of [1, 2] [], [] [3], [4] [5, 6, 7].
  const int64_t offsets[] = {0, 2, 2, 2, 3, 4, 7}, values[] = {1, 2, 3, 4, 5, 6, 7};
  const int64_t rows[] = {2, 0, 2};
  weir_lists lists = {offsets, 3, 2, values, 7, sizeof values[0]};
  int64_t ends[4], room[4], padded[6];
  uint8_t mask[6];
  weir_list_output outputs[2] = {{0, NULL, NULL, ends}, {2, padded, mask, NULL}};
  OK(weir_lists_gather(&lists, rows, 3, outputs, room, 4, &error));
  const int64_t wanted_ends[] = {0, 1, 3, 4}, wanted[] = {4, 1, 2, 4};
  const int64_t wanted_padded[] = {5, 6, 0, 0, 5, 6};
  const uint8_t wanted_mask[] = {1, 1, 0, 0, 1, 1};
  CHECK(memcmp(ends, wanted_ends, sizeof ends) == 0);
  CHECK(outputs[0].values == room && memcmp(room, wanted, sizeof room) == 0);
  CHECK(memcmp(padded, wanted_padded, sizeof padded) == 0);
  CHECK(memcmp(mask, wanted_mask, sizeof mask) == 0);

  const int32_t bad = WEIR_INVALID_ARGUMENT;
  FAILS(bad, "does not suffice", weir_lists_gather(&lists, rows, 3, outputs, room, 3, &error));
  FAILS(bad, "lists is NULL", weir_lists_gather(NULL, rows, 3, outputs, room, 4, &error));
  FAILS(bad, "rows is NULL", weir_lists_gather(&lists, NULL, 3, outputs, room, 4, &error));
  FAILS(bad, "outputs is NULL", weir_lists_gather(&lists, rows, 3, NULL, room, 4, &error));
  outputs[1].mask = NULL;
  FAILS(bad, "lacks a pointer", weir_lists_gather(&lists, rows, 3, outputs, room, 4, &error));
  outputs[1].mask = mask;
  const int64_t behind[] = {0, 3};
  FAILS(bad, "there are 3 rows", weir_lists_gather(&lists, behind, 2, outputs, room, 4, &error));
  lists.value_bytes = 3;
  FAILS(bad, "must be 4 or 8", weir_lists_gather(&lists, rows, 3, outputs, room, 4, &error));
  lists.value_bytes = 8;
  lists.value_count = 6;
  FAILS(WEIR_INVALID_DATA, "offsets of row 2",
        weir_lists_gather(&lists, rows, 3, outputs, room, 4, &error));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/rows.parquet", argv[1]);
  snprintf(other, sizeof other, "%s/damaged.parquet", argv[1]);
  check_nulls();
  check_writing();
  check_reading();
  check_damage();
  check_lists();
  CHECK(live_structs == 0);
  printf("%d checks passed\n", checks);
  return 0;
}
