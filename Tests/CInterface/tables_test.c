// SPDX-License-Identifier: Apache-2.0
//
// Catalogs and tables from C, under address sanitizer (dev/test-c): a catalog in a folder, a table that
// is filled, changed, read and read of, errors, NULLs, ending twice and who owns what.
//
// usage: tables_test FOLDER
#include "support.h"

static char lake[4096];
static const int32_t bad = WEIR_INVALID_ARGUMENT;

static void check_nulls(void) {
  weir_connection *connection = NULL;
  weir_table *table = NULL;
  weir_batches *batches = NULL;
  char *answer = NULL;
  struct ArrowSchema schema;
  struct ArrowArrayStream stream;
  weir_connection_close(NULL);
  weir_connection_close(&connection);
  weir_table_close(NULL);
  weir_table_close(&table);
  FAILS(bad, "address is NULL", weir_connection_open(NULL, NULL, 0, &connection, &error));
  FAILS(bad, "connection is NULL", weir_connection_open(lake, NULL, 0, NULL, &error));
  FAILS(bad, "options is NULL", weir_connection_open(lake, NULL, 1, &connection, &error));
  FAILS(bad, "connection is NULL", weir_connection_request(NULL, "x", NULL, &answer, &error));
  FAILS(bad, "connection is NULL", weir_table_open(NULL, "a.b", &table, &error));
  FAILS(bad, "table is NULL", weir_table_request(NULL, "describe", NULL, &answer, &error));
  FAILS(bad, "table is NULL", weir_table_schema(NULL, &schema, &error));
  FAILS(bad, "table is NULL", weir_table_scan(NULL, NULL, 0, NULL, 0, &batches, &error));
  FAILS(bad, "table is NULL", weir_table_delete(NULL, "id = 1", NULL, 0, &answer, &error));
  // What goes in is released, whatever is wrong with the call.
  make_row_schema(&schema);
  FAILS(bad, "connection is NULL",
        weir_connection_create_table(NULL, "a.b", &schema, NULL, 0, &table, &error));
  CHECK(schema.release == NULL);
  make_stream(&stream, 0, 100, -1);
  FAILS(bad, "table is NULL", weir_table_append(NULL, &stream, NULL, 0, &answer, &error));
  CHECK(stream.release == NULL);
  make_stream(&stream, 0, 100, -1);
  FAILS(bad, "table is NULL", weir_table_overwrite(NULL, &stream, NULL, NULL, 0, NULL, &error));
  make_stream(&stream, 0, 100, -1);
  FAILS(bad, "table is NULL", weir_table_upsert(NULL, &stream, NULL, 0, NULL, 0, NULL, &error));
  make_stream(&stream, 0, 100, -1);
  FAILS(bad, "table is NULL",
        weir_table_backfill(NULL, "x", &stream, NULL, 0, NULL, 0, NULL, &error));
  CHECK(live_structs == 0 && connection == NULL && table == NULL && answer == NULL);
}

// The answer has `part` in it; frees it.
static void check_answer(int line, int32_t status, char **answer, const char *part) {
  check_status(line, status, WEIR_OK, &error, NULL);
  checks++;
  if (*answer == NULL || strstr(*answer, part) == NULL) {
    fprintf(stderr, "line %d: no %s in %s\n", line, part, *answer ? *answer : "NULL");
    exit(1);
  }
  weir_string_free(*answer);
  *answer = NULL;
}

static weir_connection *check_catalog(void) {
  weir_connection *connection = NULL;
  char *answer = NULL;
  weir_option unknown = {"colour", "blue", NULL};
  FAILS(bad, "ftp",
        weir_connection_open("ftp://example.org", NULL, 0, &connection, &error));
  OK(weir_connection_open(lake, &unknown, 1, &connection, &error));
  weir_connection_close(&connection);
  OK(weir_connection_open(lake, NULL, 0, &connection, &error));
#define ASK(operation, arguments, part) \
  check_answer(__LINE__,                                                                  \
               weir_connection_request(connection, operation, arguments, &answer, &error), \
               &answer, part)
  ASK("create_namespace", "{\"namespace\": \"shop\", \"properties\": {\"owner\": \"me\"}}", "null");
  ASK("list_namespaces", NULL, "[\"shop\"]");
  ASK("namespace_properties", "{\"namespace\": \"shop\"}", "me");
  ASK("update_namespace", "{\"namespace\": \"shop\", \"removals\": [\"owner\"]}", "owner");
  ASK("describe", "{}", "lake");
  FAILS(WEIR_ALREADY_EXISTS, "shop",
        weir_connection_request(connection, "create_namespace", "{\"namespace\": \"shop\"}",
                                &answer, &error));
  FAILS(bad, "list_tables", weir_connection_request(connection, "paint", NULL, &answer, &error));
  FAILS(bad, "JSON", weir_connection_request(connection, "describe", "{", &answer, &error));
  FAILS(bad, "namespace", weir_connection_request(connection, "list_tables", "{}", &answer, &error));
  FAILS(bad, "answer is NULL", weir_connection_request(connection, "describe", NULL, NULL, &error));
  FAILS(bad, "another kind",
        weir_table_request((weir_table *)connection, "describe", NULL, &answer, &error));
  CHECK(answer == NULL);
  return connection;
}

static weir_table *check_creation(weir_connection *connection) {
  weir_table *table = NULL, *same = NULL;
  struct ArrowSchema schema;
  char *answer = NULL;
  weir_option wrong = {"partition", "[\"bukket(2, id)\"]", NULL};
  make_row_schema(&schema);
  FAILS(bad, "bukket",
        weir_connection_create_table(connection, "shop.t", &schema, &wrong, 1, &table, &error));
  weir_option no_list = {"sort", "id", NULL};
  make_row_schema(&schema);
  FAILS(bad, "sort",
        weir_connection_create_table(connection, "shop.t", &schema, &no_list, 1, &table, &error));
  weir_option options[] = {{"partition", "[\"bucket(2, id)\"]", NULL},
                           {"property.note", "x", NULL}};
  make_row_schema(&schema);
  OK(weir_connection_create_table(connection, "shop.t", &schema, options, 2, &table, &error));
  CHECK(schema.release == NULL && table != NULL);
  make_row_schema(&schema);
  FAILS(WEIR_ALREADY_EXISTS, "shop.t",
        weir_connection_create_table(connection, "shop.t", &schema, options, 2, &same, &error));
  weir_option exist_ok = {"exist_ok", "true", NULL};
  make_row_schema(&schema);
  OK(weir_connection_create_table(connection, "shop.t", &schema, &exist_ok, 1, &same, &error));
  weir_table_close(&same);
  CHECK(same == NULL);
  FAILS(WEIR_NOT_FOUND, "did you mean shop.t?",
        weir_table_open(connection, "shop.u", &same, &error));
  FAILS(bad, "namespace.table", weir_table_open(connection, "t", &same, &error));
  OK(weir_table_open(connection, "shop.t", &same, &error));
  weir_table_close(&same);
  ASK("list_tables", "{\"namespace\": \"shop\"}", "[\"shop.t\"]");
  ASK("table_exists", "{\"table\": \"shop.t\"}", "true");
  FAILS(bad, "another kind", weir_table_open((weir_connection *)table, "a.b", &same, &error));
  CHECK(live_structs == 0);
  return table;
}

// Reads all rows; returns how many, and how many columns there are.
static int64_t count_rows(weir_table *table, const char *const *columns, int64_t column_count,
                          const weir_option *options, int64_t option_count,
                          int64_t *columns_found) {
  weir_batches *batches = NULL;
  struct ArrowArrayStream stream;
  struct ArrowSchema schema;
  struct ArrowArray array;
  OK(weir_table_scan(table, columns, column_count, options, option_count, &batches, &error));
  OK(weir_batches_export(&batches, &stream, &error));
  CHECK(batches == NULL && stream.get_schema(&stream, &schema) == 0);
  if (columns_found) *columns_found = schema.n_children;
  int64_t rows = 0;
  for (;;) {
    CHECK(stream.get_next(&stream, &array) == 0);
    if (array.release == NULL) break;
    CHECK(array.n_children == schema.n_children && array.length > 0);
    rows += array.length;
    array.release(&array);
  }
  schema.release(&schema);
  stream.release(&stream);
  return rows;
}

static void check_rows(weir_table *table) {
  struct ArrowArrayStream stream;
  struct ArrowSchema schema;
  char *answer = NULL;
  const char *const id[] = {"id"};
  const char *const absent[] = {"idd"};
  weir_batches *batches = NULL;
  CHECK(count_rows(table, NULL, 0, NULL, 0, NULL) == 0);
  make_stream(&stream, 0, 1000, -1);
  check_answer(__LINE__, weir_table_append(table, &stream, NULL, 0, &answer, &error), &answer,
               "\"added_rows\":1000");
  CHECK(stream.release == NULL);
  // A source that fails half-way leaves the table as it was.
  make_stream(&stream, 0, 1000, 500);
  FAILS(WEIR_INVALID_ARGUMENT, "on fire",
        weir_table_append(table, &stream, NULL, 0, NULL, &error));
  CHECK(count_rows(table, NULL, 0, NULL, 0, NULL) == 1000);
  check_answer(__LINE__, weir_table_delete(table, "id < 100", NULL, 0, &answer, &error), &answer,
               "\"deleted_rows\":100");
  OK(weir_table_delete(table, "id = 5", NULL, 0, NULL, &error));
  make_stream(&stream, 900, 1100, -1);
  check_answer(__LINE__, weir_table_upsert(table, &stream, id, 1, NULL, 0, &answer, &error),
               &answer, "\"deleted_rows\":100");
  make_stream(&stream, 0, 100, -1);
  FAILS(bad, NULL, weir_table_upsert(table, &stream, NULL, 0, NULL, 0, NULL, &error));
  make_stream(&stream, 2000, 2100, -1);
  weir_option summary = {"property.note", "hello", NULL};
  check_answer(
      __LINE__,
      weir_table_overwrite(table, &stream, "id >= 1000", &summary, 0, &answer, &error), &answer,
      "\"added_rows\":100");
  CHECK(live_structs == 0);

  weir_option options[] = {{"where", "id >= 2000", NULL}, {"limit", "7", NULL}};
  int64_t columns = 0;
  CHECK(count_rows(table, id, 1, options, 1, &columns) == 100 && columns == 1);
  CHECK(count_rows(table, NULL, 0, options, 2, &columns) == 7 && columns == 2);
  CHECK(count_rows(table, NULL, 0, NULL, 0, NULL) == 1000);
  FAILS(WEIR_NOT_FOUND, "did you mean id?",
        weir_table_scan(table, absent, 1, NULL, 0, &batches, &error));
  FAILS(bad, "batches is NULL", weir_table_scan(table, NULL, 0, NULL, 0, NULL, &error));
  weir_option wrong = {"where", "id >", NULL};
  FAILS(bad, NULL, weir_table_scan(table, NULL, 0, &wrong, 1, &batches, &error));
  wrong = (weir_option){"wher", "id > 1", NULL};
  FAILS(bad, "where", weir_table_scan(table, NULL, 0, &wrong, 1, &batches, &error));
  FAILS(bad, "where is NULL", weir_table_delete(table, NULL, NULL, 0, NULL, &error));
  CHECK(batches == NULL);

  OK(weir_table_schema(table, &schema, &error));
  CHECK(schema.n_children == 2 && strcmp(schema.children[0]->name, "id") == 0);
  schema.release(&schema);
  FAILS(bad, "schema is NULL", weir_table_schema(table, NULL, &error));
}

static void check_changes(weir_table *table) {
  char *answer = NULL;
  weir_batches *batches = NULL;
#define TELL(operation, arguments, part)                                                    \
  check_answer(__LINE__, weir_table_request(table, operation, arguments, &answer, &error),  \
               &answer, part)
  TELL("update", "{\"changes\": [{\"action\": \"create_tag\", \"name\": \"now\"}]}", "shop.t");
  OK(weir_table_delete(table, "id >= 2050", NULL, 0, NULL, &error));
  weir_option options[] = {
      {"changes", "true", NULL}, {"from", "now", NULL}, {"net", "false", NULL},
      {"carried_rows", "true", NULL}};
  int64_t columns = 0;
  CHECK(count_rows(table, NULL, 0, options, 4, &columns) == 50 && columns == 5);
  weir_option updates[] = {
      {"changes", "true", NULL}, {"net", "true", NULL}, {"identifiers", "[\"id\"]", NULL}};
  CHECK(count_rows(table, NULL, 0, updates, 3, NULL) == 950);
  weir_option appends[] = {{"from", "now", NULL}};
  CHECK(count_rows(table, NULL, 0, appends, 1, NULL) == 0);
  weir_option snapshots[] = {{"inspect", "snapshots", NULL}};
  CHECK(count_rows(table, NULL, 0, snapshots, 1, &columns) == 5 && columns == 6);
  weir_option files[] = {{"inspect", "files", NULL}, {"at", "now", NULL}};
  CHECK(count_rows(table, NULL, 0, files, 2, NULL) > 2);

  weir_option wrong[] = {{"inspect", "everything", NULL}};
  FAILS(bad, "metadata_log_entries",
        weir_table_scan(table, NULL, 0, wrong, 1, &batches, &error));
  wrong[0] = (weir_option){"net", "true", NULL};
  FAILS(bad, "changes", weir_table_scan(table, NULL, 0, wrong, 1, &batches, &error));
  updates[2].value = "id";
  FAILS(bad, "identifiers", weir_table_scan(table, NULL, 0, updates, 3, &batches, &error));
  weir_option both[] = {{"inspect", "files", NULL}, {"limit", "1", NULL}};
  FAILS(bad, "limit", weir_table_scan(table, NULL, 0, both, 2, &batches, &error));
  CHECK(batches == NULL);

  TELL("diff", "{\"from\": \"now\"}", "\"deleted_rows\":50");
  TELL("analyze", "{\"columns\": [\"id\"]}", "\"id\":");
  TELL("plan", "{\"where\": \"id = 7\", \"files\": true}", "\"paths\"");
  TELL("remove_orphans", "{\"dry_run\": true}", "\"locations\":[]");
  TELL("expire_snapshots", "{\"retain_last\": 1, \"older_than_ms\": 1}", "\"snapshot_ids\":[]");
  TELL("metadata", NULL, "\"format-version\":3");
  TELL("refresh", NULL, "shop.t");
  FAILS(bad, "min_age_ms",
        weir_table_request(table, "remove_orphans", "{\"min_age_ms\": -1}", &answer, &error));
  FAILS(bad, "expire_snapshots", weir_table_request(table, "paint", NULL, &answer, &error));
  FAILS(bad, "paint",
        weir_table_request(table, "update", "{\"changes\": [{\"action\": \"paint\"}]}", &answer,
                           &error));
  FAILS(WEIR_NOT_FOUND, "nowhere",
        weir_table_request(table, "diff", "{\"from\": \"nowhere\"}", &answer, &error));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  snprintf(lake, sizeof lake, "%s/lake", argv[1]);
  check_nulls();
  weir_connection *connection = check_catalog();
  weir_table *table = check_creation(connection);
  check_rows(table);
  check_changes(table);

  // Reading goes on when table and connection are gone.
  weir_batches *batches = NULL;
  weir_batch *batch = NULL;
  char *answer = NULL;
  OK(weir_table_scan(table, NULL, 0, NULL, 0, &batches, &error));
  ASK("rename_table", "{\"table\": \"shop.t\", \"to\": \"shop.u\"}", "null");
  weir_connection_close(&connection);
  weir_connection_close(&connection);
  CHECK(connection == NULL);
  CHECK(count_rows(table, NULL, 0, NULL, 0, NULL) == 950);
  weir_table_close(&table);
  weir_table_close(&table);
  CHECK(table == NULL);
  OK(weir_batches_next(batches, &batch, &error));
  CHECK(weir_batch_row_count(batch) > 0);
  weir_batch_close(&batch);
  weir_batches_close(&batches);

  OK(weir_connection_open(lake, NULL, 0, &connection, &error));
  ASK("drop_table", "{\"table\": \"shop.u\", \"purge\": true}", "null");
  ASK("drop_namespace", "{\"namespace\": \"shop\"}", "null");
  weir_connection_close(&connection);
  CHECK(live_structs == 0);
  printf("%d checks of catalogs and tables passed\n", checks);
  return 0;
}
