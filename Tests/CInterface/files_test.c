// SPDX-License-Identifier: Apache-2.0
//
// Weir files from C, under address sanitizer (dev/test-c): written, read with lists once and rows' numbers
// of them, as matrices, and without the values of some rows.
//
// usage: files_test FOLDER
#include "support.h"

static char path[4096], erased_path[4096];
static const int64_t row_count = 2000;
static const int64_t list_length = 20;

static const int64_t same_list_rows = 8;

// Item j of the list of a row: rows beside each other have the same one.
static int64_t item(int64_t row, int64_t j) {
  return 1000003 * (row / same_list_rows % 40) + 7919 * j;
}

// Columns "id" (int64), "score" (float32, null where the id is a multiple of 5), "recent" (lists of int64).
static int samples_schema(struct ArrowArrayStream *stream, struct ArrowSchema *schema) {
  (void)stream;
  make_schema(schema, "+s", "", 3);
  make_schema(schema->children[0], "l", "id", 0);
  make_schema(schema->children[1], "f", "score", 0);
  make_schema(schema->children[2], "+l", "recent", 1);
  make_schema(schema->children[2]->children[0], "l", "item", 0);
  return 0;
}

static int samples_next(struct ArrowArrayStream *stream, struct ArrowArray *array) {
  int64_t *next = stream->private_data;
  memset(array, 0, sizeof *array);
  if (*next == row_count) return 0;
  const int64_t count = 1000, first = *next;
  *next += count;
  make_array(array, count, 1, 3);
  int64_t *ids = malloc((size_t)count * sizeof *ids);
  float *scores = malloc((size_t)count * sizeof *scores);
  uint8_t *validity = calloc(1, (size_t)count / 8 + 1);
  int32_t *offsets = malloc((size_t)(count + 1) * sizeof *offsets);
  int64_t *items = malloc((size_t)(count * list_length) * sizeof *items);
  struct ArrowArray *score = array->children[1], *recent = array->children[2];
  make_array(array->children[0], count, 2, 0);
  make_array(score, count, 2, 0);
  make_array(recent, count, 2, 1);
  make_array(recent->children[0], count * list_length, 2, 0);
  offsets[0] = 0;
  for (int64_t i = 0; i < count; i++) {
    ids[i] = first + i;
    scores[i] = (float)(first + i) / 4;
    if ((first + i) % 5 == 0) {
      score->null_count++;
    } else {
      validity[i / 8] |= (uint8_t)(1 << (i % 8));
    }
    offsets[i + 1] = offsets[i] + (int32_t)list_length;
    for (int64_t j = 0; j < list_length; j++) items[offsets[i] + j] = item(first + i, j);
  }
  array->children[0]->buffers[1] = ids;
  score->buffers[0] = validity;
  score->buffers[1] = scores;
  recent->buffers[1] = offsets;
  recent->children[0]->buffers[1] = items;
  return 0;
}

static void write_samples(void) {
  struct ArrowArrayStream stream = {samples_schema, samples_next, stream_error, release_stream,
                                    calloc(1, sizeof(int64_t))};
  live_structs++;
  weir_option options[] = {{"page_rows", "300", NULL}, {"layout", "true", "recent"},
                           {"key_columns", "true", "id"}};
  int64_t written = 0;
  OK(weir_file_write(path, &stream, options, 3, &written, &error));
  CHECK(written == row_count && stream.release == NULL && live_structs == 0);
}

static weir_batch *next_batch(weir_batches *batches) {
  weir_batch *batch = NULL;
  OK(weir_batches_next(batches, &batch, &error));
  return batch;
}

// Each list once, and each row's number of one.
static void check_unique(weir_file *file) {
  const char *columns[] = {"recent", "id"};
  weir_batches *batches = NULL;
  OK(weir_file_read_unique(file, columns, 2, 5, 1500, 700, &batches, &error));
  struct ArrowSchema schema;
  OK(weir_batches_schema(batches, &schema, &error));
  CHECK(schema.n_children == 2 && strcmp(schema.children[1]->format, "l") == 0);
  CHECK(strcmp(schema.children[0]->format, "i") == 0 && schema.children[0]->dictionary != NULL);
  CHECK(strcmp(schema.children[0]->dictionary->format, "+l") == 0);
  schema.release(&schema);
  int64_t row = 5;
  weir_batch *batch;
  while ((batch = next_batch(batches)) != NULL) {
    struct ArrowArray array;
    OK(weir_batch_export(batch, NULL, &array, &error));
    const struct ArrowArray *codes = array.children[0], *lists = codes->dictionary;
    CHECK(array.length > 0 && lists != NULL && lists->length < array.length / 4);
    const int32_t *numbers = (const int32_t *)codes->buffers[1] + codes->offset;
    const int32_t *offsets = (const int32_t *)lists->buffers[1] + lists->offset;
    const int64_t *items = (const int64_t *)lists->children[0]->buffers[1];
    items += lists->children[0]->offset;
    for (int64_t i = 0; i < array.length; i++, row++) {
      const int32_t number = numbers[i];
      CHECK(number >= 0 && number < lists->length);
      CHECK(offsets[number + 1] - offsets[number] == list_length);
      for (int64_t j = 0; j < list_length; j++) {
        CHECK(items[offsets[number] + j] == item(row, j));
      }
    }
    array.release(&array);
    weir_batch_close(&batch);
  }
  CHECK(row == 1505);
  weir_batches_close(&batches);

  const int32_t bad = WEIR_INVALID_ARGUMENT;
  const char *missing[] = {"colour"};
  FAILS(bad, "file is NULL", weir_file_read_unique(NULL, columns, 2, 0, 1, 0, &batches, &error));
  FAILS(bad, "batches is NULL", weir_file_read_unique(file, columns, 2, 0, 1, 0, NULL, &error));
  FAILS(bad, "no such column", weir_file_read_unique(file, missing, 1, 0, 1, 0, &batches, &error));
  FAILS(bad, "there are no",
        weir_file_read_unique(file, columns, 2, 1, row_count, 0, &batches, &error));
  CHECK(batches == NULL);
}

// Columns of numbers side by side, in memory of the caller's.
static void check_matrix(weir_file *file) {
  const int64_t rows[] = {7, 0, 1999, 10};
  weir_batch *batch = NULL;
  OK(weir_file_take(file, NULL, 0, rows, 4, &batch, &error));
  const char *columns[] = {"score", "id"};
  float values[4 * 3 + 1];
  for (int i = 0; i < 13; i++) values[i] = 77;
  OK(weir_batch_matrix(batch, columns, 2, WEIR_MATRIX_FLOAT32, -1, 3, values, &error));
  for (int i = 0; i < 4; i++) {
    CHECK(values[3 * i] == (rows[i] % 5 == 0 ? -1 : (float)rows[i] / 4));
    CHECK(values[3 * i + 1] == (float)rows[i]);
  }
  // What lies between the rows and behind them stays as it was.
  CHECK(values[2] == 77 && values[5] == 77 && values[12] == 77);
  int64_t numbers[4];
  OK(weir_batch_matrix(batch, columns + 1, 1, WEIR_MATRIX_INT64, 0, 1, numbers, &error));
  CHECK(memcmp(numbers, rows, sizeof rows) == 0);

  const int32_t bad = WEIR_INVALID_ARGUMENT;
  const char *lists[] = {"recent"}, *missing[] = {"colour"};
  FAILS(bad, NULL, weir_batch_matrix(batch, lists, 1, 0, 0, 1, values, &error));
  FAILS(bad, NULL, weir_batch_matrix(batch, missing, 1, 0, 0, 1, values, &error));
  FAILS(bad, NULL, weir_batch_matrix(batch, columns, 2, 0, 0, 1, values, &error));
  FAILS(bad, NULL, weir_batch_matrix(batch, columns, 2, 9, 0, 2, values, &error));
  FAILS(bad, NULL, weir_batch_matrix(batch, columns, 2, 0, 0, 2, NULL, &error));
  FAILS(bad, NULL, weir_batch_matrix(NULL, columns, 2, 0, 0, 2, values, &error));
  // Without a list among them all columns would do, and this one has one.
  FAILS(bad, NULL, weir_batch_matrix(batch, NULL, 0, 0, 0, 3, values, &error));
  weir_batch_close(&batch);
}

static void check_erase(weir_file *file) {
  const int64_t rows[] = {3, 1999};
  int64_t erased = 0;
  OK(weir_file_erase(file, NULL, 0, rows, 2, NULL, erased_path, NULL, 0, &erased, &error));
  CHECK(erased == 2);
  weir_file *other = NULL;
  OK(weir_file_open(erased_path, NULL, 0, &other, &error));
  CHECK(weir_file_row_count(other) == row_count);
  weir_batches *batches = NULL;
  OK(weir_file_matches(other, "id is null", NULL, 0, 0, &batches, &error));
  int64_t found = 0;
  weir_batch *batch;
  while ((batch = next_batch(batches)) != NULL) {
    found += weir_batch_row_count(batch);
    weir_batch_close(&batch);
  }
  CHECK(found == 2);
  weir_batches_close(&batches);
  // In its own place, by a predicate.
  const char *columns[] = {"score"};
  weir_option option = {"profile", "compact", NULL};
  OK(weir_file_erase(other, columns, 1, NULL, 0, "id in (1, 2, 3)", erased_path, &option, 1, &erased,
                     &error));
  CHECK(erased == 2);

  const int32_t bad = WEIR_INVALID_ARGUMENT;
  const int64_t behind[] = {row_count};
  weir_option keep = {"overwrite", "false", NULL};
  FAILS(bad, "file is NULL",
        weir_file_erase(NULL, NULL, 0, rows, 2, NULL, erased_path, NULL, 0, NULL, &error));
  FAILS(bad, "either rows or a predicate",
        weir_file_erase(file, NULL, 0, rows, 2, "id = 1", erased_path, NULL, 0, NULL, &error));
  FAILS(bad, "either rows or a predicate",
        weir_file_erase(file, NULL, 0, NULL, 0, NULL, erased_path, NULL, 0, NULL, &error));
  FAILS(bad, "there is no row",
        weir_file_erase(file, NULL, 0, behind, 1, NULL, erased_path, NULL, 0, NULL, &error));
  FAILS(WEIR_ALREADY_EXISTS, NULL,
        weir_file_erase(file, NULL, 0, rows, 2, NULL, erased_path, &keep, 1, NULL, &error));
  weir_file_close(&other);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  snprintf(path, sizeof path, "%s/samples.weir", argv[1]);
  snprintf(erased_path, sizeof erased_path, "%s/erased.weir", argv[1]);
  write_samples();
  weir_file *file = NULL;
  OK(weir_file_open(path, NULL, 0, &file, &error));
  CHECK(weir_file_row_count(file) == row_count && weir_file_column_count(file) == 3);
  check_unique(file);
  check_matrix(file);
  check_erase(file);
  weir_file_close(&file);
  CHECK(live_structs == 0);
  printf("%d checks passed\n", checks);
  return 0;
}
