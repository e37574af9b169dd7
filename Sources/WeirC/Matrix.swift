// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: see Handle.swift for handles; the matrix is the caller's, who vouches for its size (weir.h).
internal import CWeir
internal import CWeirKernels
internal import WeirColumnar

/// What the kernels call a column's type; `nil` for what is no number.
private func valueType(_ type: DataType) -> weir_value_type? {
  switch type {
  case .bool: WEIR_BOOL
  case .int8: WEIR_INT8
  case .int16: WEIR_INT16
  case .int32, .date32, .time32: WEIR_INT32
  case .int64, .date64, .time64, .timestamp, .duration: WEIR_INT64
  case .uint8: WEIR_UINT8
  case .uint16: WEIR_UINT16
  case .uint32: WEIR_UINT32
  case .uint64: WEIR_UINT64
  case .float32: WEIR_FLOAT32
  case .float64: WEIR_FLOAT64
  default: nil
  }
}

@c @implementation
public func weir_batch_matrix(
  _ batch: OpaquePointer?, _ columns: UnsafePointer<UnsafePointer<CChar>?>?,
  _ columnCount: Int64, _ type: Int32, _ missing: Double, _ stride: Int64,
  _ out: UnsafeMutableRawPointer?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    let batch = try Handle.need(batch, BatchHandle.self, "batch").batch
    let names = try Arguments.columns(columns, columnCount) ?? batch.schema.fields.map(\.name)
    guard stride >= Int64(names.count) else {
      throw CError.invalidArgument("a stride of \(stride) for \(names.count) columns")
    }
    guard type == WEIR_MATRIX_FLOAT32 || type == WEIR_MATRIX_INT64 else {
      throw CError.invalidArgument("there is no type \(type) of matrices")
    }
    let known = Dictionary(
      batch.schema.fields.enumerated().map { ($1.name, $0) },
      uniquingKeysWith: { first, _ in first })
    let places = try names.map { name throws(CError) in
      guard let place = known[name] else {
        throw CError.invalidArgument("the batch has no column \"\(name)\"")
      }
      return place
    }
    let arrays = places.map { batch.columns[$0] }
    let described = try zip(names, arrays).map { name, array throws(CError) in
      guard let type = valueType(array.type) else {
        throw CError.invalidArgument(
          "column \"\(name)\" is of type \(array.type): only numbers go into a matrix")
      }
      return weir_matrix_column(
        values: array.buffers[0].base,
        validity: array.validity?.base.assumingMemoryBound(to: UInt8.self),
        offset: array.offset, type: type)
    }
    if batch.rowCount == 0 || names.isEmpty { return }
    guard let out else { throw CError.invalidArgument("out is NULL") }
    if type == WEIR_MATRIX_FLOAT32 {
      weir_matrix_f32(
        described, described.count, batch.rowCount, Float(missing), Int(stride),
        out.assumingMemoryBound(to: Float.self))
    } else {
      weir_matrix_i64(
        described, described.count, batch.rowCount, Int64(exactly: missing.rounded()) ?? 0,
        Int(stride), out.assumingMemoryBound(to: Int64.self))
    }
    withExtendedLifetime(arrays) {}
  }
}
