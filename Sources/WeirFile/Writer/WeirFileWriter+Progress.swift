// SPDX-License-Identifier: Apache-2.0

/// What whoever decides when a file ends must know of it.
extension WeirFileWriter {
  /// Bytes that are in the file by now.
  package var writtenByteCount: Int { pages.offset }

  /// Bytes of rows that wait for their pages.
  package var pendingByteCount: Int { columns.reduce(0) { $0 + $1.pendingBytes } }

  /// Bytes that stay in memory until the file ends: lists that later rows may share, keys.
  package var heldByteCount: Int { columns.reduce(0) { $0 + $1.heldByteCount } }

  /// Bytes of the pages of each column, those of dictionaries and pools among them.
  package var columnStoredByteCounts: [Int] { columns.map(\.writtenByteCount) }

  /// Writes the rows that wait as pages, so that their memory is free.
  package func flush() throws(WeirFileError) {
    try guarded { () throws(WeirFileError) in try flushColumns() }
  }
}
