// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirFile
internal import WeirParquet
internal import WeirStorage

extension TableError {
  /// An error of columns in memory.
  init(_ error: ColumnarError) {
    let code: Code =
      switch error.code {
      case .invalidData: .damaged
      case .unsupported: .unsupported
      case .overflow: .limit
      default: .invalidArgument
      }
    self.init(code, error.message, column: error.column)
  }

  /// An error of a Parquet file; the caller adds which.
  init(_ error: ParquetError) {
    let code: Code =
      switch error.code {
      case .damaged, .notParquet: .damaged
      case .unsupported: .unsupported
      case .limitExceeded: .limit
      case .storage: .storage
      default: .invalidArgument
      }
    var message = error.message
    if let rowGroup = error.rowGroup { message += ", in row group \(rowGroup)" }
    if let page = error.page { message += ", page \(page)" }
    if let position = error.position { message += ", at byte \(position)" }
    self.init(code, message, column: error.column)
  }

  /// An error of a Weir file; the caller adds which.
  init(_ error: WeirFileError) {
    let code: Code =
      switch error.code {
      case .damaged, .notWeirFile: .damaged
      case .unsupported: .unsupported
      case .limitExceeded: .limit
      case .storage: .storage
      default: .invalidArgument
      }
    var message = error.message
    if let row = error.row { message += ", in the page of row \(row)" }
    if let position = error.position { message += ", at byte \(position)" }
    self.init(code, message, column: error.column)
  }

  /// An error of the object store, in reading or writing `file`.
  init(_ error: StorageError, file: String) {
    let code: Code = error.code == .notFound ? .notFound : .storage
    self.init(code, error.message, file: file, cause: "\(error.operation): \(error.code)")
  }
}
