// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AlwaysUseLowerCamelCase

//
// Safe: pointers are arguments that the caller of the C interface vouches for (weir.h); counts, rows and
// offsets are checked before anything is read or written through them.
public import CWeir
internal import CWeirKernels

@c @implementation
public func weir_lists_gather(
  _ lists: UnsafePointer<weir_lists>?, _ rows: UnsafePointer<Int64>?, _ row_count: Int64,
  _ outputs: UnsafeMutablePointer<weir_list_output>?, _ room: UnsafeMutableRawPointer?,
  _ room_count: Int64, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  status(error) {
    guard let lists else { throw CError.invalidArgument("lists is NULL") }
    let gather = try ListGather(
      lists.pointee, rows, row_count, Arguments.output(outputs, "outputs"))
    try gather.measure()
    try gather.copy(into: room, room_count)
  }
}

/// The arguments of one call, checked.
private struct ListGather {
  private let lists: weir_lists
  private let offsets: UnsafePointer<Int64>
  private let width: Int
  private let rows: UnsafePointer<Int64>
  private let rowCount: Int
  private let outputs: UnsafeMutablePointer<weir_list_output>
  private let limits: [Int64]
  private let ends: [UnsafeMutablePointer<Int64>?]

  init(
    _ lists: weir_lists, _ rows: UnsafePointer<Int64>?, _ rowCount: Int64,
    _ outputs: UnsafeMutablePointer<weir_list_output>
  ) throws(CError) {
    guard (1...65_536).contains(lists.width) else {
      throw .invalidArgument("lists.width is \(lists.width); it must be 1 to 65536")
    }
    guard lists.value_bytes == 4 || lists.value_bytes == 8 else {
      throw .invalidArgument("lists.value_bytes is \(lists.value_bytes); it must be 4 or 8")
    }
    guard lists.row_count >= 0, lists.value_count >= 0, rowCount >= 0 else {
      throw .invalidArgument("a count is negative")
    }
    guard let offsets = lists.offsets else { throw .invalidArgument("lists.offsets is NULL") }
    guard lists.values != nil || lists.value_count == 0 else {
      throw .invalidArgument("lists.values is NULL")
    }
    guard let rows else { throw .invalidArgument("rows is NULL") }
    self.lists = lists
    self.offsets = offsets
    self.rows = rows
    self.outputs = outputs
    width = Int(lists.width)
    self.rowCount = Int(rowCount)
    var limits: [Int64] = []
    var ends: [UnsafeMutablePointer<Int64>?] = []
    for index in 0..<width {
      let output = outputs[index]
      guard output.length >= 0, output.length <= 1 << 24 else {
        throw .invalidArgument("outputs[\(index)].length is \(output.length)")
      }
      let isThere = output.length > 0 ? output.values != nil && output.mask != nil : true
      guard isThere, output.length > 0 || output.offsets != nil else {
        throw .invalidArgument("outputs[\(index)] lacks a pointer that its length asks for")
      }
      limits.append(output.length)
      ends.append(output.length > 0 ? nil : output.offsets)
    }
    self.limits = limits
    self.ends = ends
  }

  /// Fills the offsets of lists without a length, and checks all rows.
  func measure() throws(CError) {
    let wrong = weir_lists_measure(
      offsets, lists.row_count, lists.width, lists.value_count, rows, Int64(rowCount), ends)
    guard wrong >= 0 else { return }
    let row = rows[Int(wrong)]
    guard row >= 0 && row < lists.row_count else {
      throw .invalidArgument(
        "rows[\(wrong)] is \(row); there are \(lists.row_count) rows, counted from 0")
    }
    throw CError(WEIR_INVALID_DATA, "the offsets of row \(row) are not within the values")
  }

  func copy(into room: UnsafeMutableRawPointer?, _ roomCount: Int64) throws(CError) {
    var outs: [UnsafeMutableRawPointer?] = []
    var masks: [UnsafeMutablePointer<UInt8>?] = []
    var used: Int64 = 0
    for index in 0..<width {
      masks.append(outputs[index].mask)
      guard let ends = ends[index] else {
        outs.append(outputs[index].values)
        continue
      }
      outs.append(room.map { $0 + Int(used * lists.value_bytes) })
      let (sum, overflow) = used.addingReportingOverflow(ends[rowCount])
      guard !overflow, sum <= roomCount, room != nil || sum == 0 else {
        throw .invalidArgument("the room of \(roomCount) values does not suffice for \(sum)")
      }
      used = sum
    }
    for index in 0..<width where limits[index] == 0 { outputs[index].values = outs[index] }
    copy(outs, masks)
  }

  private func copy(
    _ outs: [UnsafeMutableRawPointer?], _ masks: [UnsafeMutablePointer<UInt8>?]
  ) {
    let ends = ends.map { UnsafePointer($0) }
    let count = Int64(rowCount)
    if lists.value_bytes == 8 {
      let typed = outs.map { $0?.assumingMemoryBound(to: UInt64.self) }
      weir_lists_copy_64(
        offsets, lists.width, lists.values?.assumingMemoryBound(to: UInt64.self), rows, count,
        limits, ends, typed, masks)
    } else {
      let typed = outs.map { $0?.assumingMemoryBound(to: UInt32.self) }
      weir_lists_copy_32(
        offsets, lists.width, lists.values?.assumingMemoryBound(to: UInt32.self), rows, count,
        limits, ends, typed, masks)
    }
  }
}
