// SPDX-License-Identifier: Apache-2.0
internal import CWeir
internal import WeirColumnar
internal import WeirFile
internal import WeirParquet
internal import WeirStorage

extension StorageError: CErrorConvertible {
  var cError: CError {
    let status: Int32 =
      switch code {
      case .notFound: WEIR_NOT_FOUND
      case .alreadyExists: WEIR_ALREADY_EXISTS
      case .permissionDenied: WEIR_PERMISSION_DENIED
      case .invalidArgument, .invalidPath, .invalidRange: WEIR_INVALID_ARGUMENT
      case .unsupported: WEIR_UNSUPPORTED
      default: WEIR_IO
      }
    var error = CError(status, description)
    error.path = path
    return error
  }
}

extension ColumnarError: CErrorConvertible {
  var cError: CError {
    let status: Int32 =
      switch code {
      case .invalidArgument: WEIR_INVALID_ARGUMENT
      case .invalidData: WEIR_INVALID_DATA
      case .unsupported: WEIR_UNSUPPORTED
      case .overflow: WEIR_OVERFLOW
      case .sourceFailed: WEIR_SOURCE_FAILED
      default: WEIR_INTERNAL
      }
    var error = CError(status, description)
    error.column = column
    error.position = position
    return error
  }
}

extension ParquetError: CErrorConvertible {
  var cError: CError {
    let status: Int32 =
      switch code {
      case .damaged, .notParquet: WEIR_INVALID_DATA
      case .unsupported: WEIR_UNSUPPORTED
      case .invalidArgument: WEIR_INVALID_ARGUMENT
      case .limitExceeded: WEIR_OVERFLOW
      case .storage: WEIR_IO
      default: WEIR_INTERNAL
      }
    var error = CError(status, description)
    error.path = file
    error.column = column
    error.page = page
    error.position = position
    return error
  }
}

extension WeirFileError: CErrorConvertible {
  var cError: CError {
    let status: Int32 =
      switch code {
      case .damaged, .notWeirFile: WEIR_INVALID_DATA
      case .unsupported: WEIR_UNSUPPORTED
      case .invalidArgument: WEIR_INVALID_ARGUMENT
      case .limitExceeded: WEIR_OVERFLOW
      case .storage: WEIR_IO
      default: WEIR_INTERNAL
      }
    var error = CError(status, description)
    error.path = file
    error.column = column
    error.position = position
    return error
  }
}
