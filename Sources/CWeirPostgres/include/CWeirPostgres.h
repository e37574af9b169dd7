// SPDX-License-Identifier: Apache-2.0
// libpq, looked for when first used, so that nobody needs it who keeps no catalog in PostgreSQL.
//
// Every call that talks to the server ends within the time it is given. A connection is used by one
// thread at a time.
#pragma once

#include <stdint.h>

typedef struct pg_conn weir_pg_connection;
typedef struct pg_result weir_pg_result;

/// Kinds of a result.
enum {
  /// A statement that gives no rows was executed.
  weir_pg_command_ok = 1,
  /// Rows.
  weir_pg_rows = 2,
  /// An error that the server reported, or anything unexpected.
  weir_pg_failed = 3,
};

/// Looks for libpq. Returns NULL when it is there, else what is wrong; the text stays valid.
const char *weir_pg_load(void);

/// Connects with libpq's keywords; `dbname` may be a connection string or URI, what comes before it
/// are defaults, and what comes behind it wins. NULL only without memory; ask `weir_pg_is_ok`.
weir_pg_connection *weir_pg_connect(const char *const *keywords, const char *const *values);
void weir_pg_finish(weir_pg_connection *connection);
int weir_pg_is_ok(weir_pg_connection *connection);
const char *weir_pg_error(weir_pg_connection *connection);
/// Parts of the address, never the password; may be empty.
const char *weir_pg_host(weir_pg_connection *connection);
const char *weir_pg_port(weir_pg_connection *connection);
const char *weir_pg_database(weir_pg_connection *connection);
/// 0 when an idle connection should not be used: the server has closed it, or is about to.
int weir_pg_is_alive(weir_pg_connection *connection);

/// Executes SQL without parameters. NULL: the connection is lost or the time ran out.
weir_pg_result *weir_pg_query(
    weir_pg_connection *connection, const char *sql, int64_t timeout_milliseconds);
/// Prepares a statement under a name; `types` are the parameters' type numbers.
weir_pg_result *weir_pg_prepare(
    weir_pg_connection *connection, const char *name, const char *sql, int32_t count,
    const uint32_t *types, int64_t timeout_milliseconds);
/// Executes a prepared statement. Formats are 0 for text, which ends with a zero byte, and 1 for
/// binary; a NULL value is SQL's NULL. Results come as text.
weir_pg_result *weir_pg_execute(
    weir_pg_connection *connection, const char *name, int32_t count, const char *const *values,
    const int32_t *lengths, const int32_t *formats, int64_t timeout_milliseconds);

int32_t weir_pg_result_kind(const weir_pg_result *result);
/// A field of an error report: 'C' SQLSTATE, 'M' message, 'D' detail; NULL when absent.
const char *weir_pg_result_error(const weir_pg_result *result, int field);
int32_t weir_pg_row_count(const weir_pg_result *result);
int32_t weir_pg_column_count(const weir_pg_result *result);
/// NULL for SQL's NULL.
const char *weir_pg_value(const weir_pg_result *result, int32_t row, int32_t column);
int32_t weir_pg_value_length(const weir_pg_result *result, int32_t row, int32_t column);
/// Rows changed by an INSERT, UPDATE or DELETE.
int64_t weir_pg_changed_count(weir_pg_result *result);
/// The command's tag, `COMMIT` or `ROLLBACK`.
const char *weir_pg_command(weir_pg_result *result);
void weir_pg_clear(weir_pg_result *result);
