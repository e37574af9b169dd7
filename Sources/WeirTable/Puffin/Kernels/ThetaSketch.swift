// SPDX-License-Identifier: Apache-2.0
// Safe: views are of arrays and buffers that are held during the call; loads are checked before.

public import WeirColumnar

/// Estimates how many distinct values there are from the smallest of their hashes.
///
/// 1. Every value is hashed; hashes at or above the threshold theta are left out.
/// 2. When 15/16 of twice `nominalCount` hashes are kept, theta becomes the hash behind the
///    `nominalCount` smallest, which alone are kept.
/// 3. As many of all hashes as are kept lie below theta: kept / (theta / 2^63) is the estimate. Its
///    relative standard error is about 1 / sqrt(nominalCount), 1.6 % for the default.
///
/// The same hashes, sketches and bytes as Apache DataSketches makes, so that both can be united.
/// Sources: Dasgupta, Lang, Rhodes, Thaler, "A Framework for Estimating Stream Expression
/// Cardinalities", 2016; Apache DataSketches, "Theta Sketch Framework"; the Puffin specification,
/// "`apache-datasketches-theta-v1` blob type". One thread at a time.
public final class ThetaSketch {
  public static let blobType = "apache-datasketches-theta-v1"
  /// The blob's property with the estimate.
  public static let distinctCountKey = "ndv"
  /// 2^12, as DataSketches' default.
  public static let nominalLogDefault = 12
  /// Half of the 64-bit range: hashes have 63 bits.
  private static let thetaMax = UInt64(Int64.max)
  private static let seed: UInt64 = 9_001
  /// Of the seed; sketches of other seeds cannot be united.
  private static let seedHash: UInt16 = 0x93cc

  private let nominalCount: Int
  private var theta = thetaMax
  /// Open addressing; 0 is free.
  private var table: [UInt64]
  private var kept = 0
  private var sawAny = false

  /// - Parameter nominalLog: 4 ... 26; the sketch keeps at most twice 2^nominalLog hashes.
  public init(nominalLog: Int = nominalLogDefault) {
    precondition((4...26).contains(nominalLog), "a sketch keeps 2^4 to 2^26 hashes")
    nominalCount = 1 << nominalLog
    table = [UInt64](repeating: 0, count: 32)
  }

  /// True when no value was added.
  public var isEmpty: Bool { !sawAny }

  /// Hashes that are kept.
  public var retainedCount: Int { kept }

  /// Distinct values: exact up to about `nominalCount`.
  public var estimate: Double { Double(kept) / (Double(theta) / Double(Self.thetaMax)) }

  /// Adds a value by its single-value serialization (`SingleValue`). Empty bytes are not counted, as
  /// in DataSketches.
  public func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }

  /// As above.
  package func add(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    add(hash: MurmurHash3.x64(bytes: bytes, seed: Self.seed).0 >> 1)
  }

  private func add(hash: UInt64) {
    sawAny = true
    guard hash < theta, hash != 0 else { return }
    guard Self.insert(hash, &table) else { return }
    kept += 1
    if kept > nominalCount * 2 / 16 * 15 {
      rebuild()
    } else if kept * 4 > table.count * 3 {
      resize(to: table.count * 2)
    }
  }

  private static func insert(_ hash: UInt64, _ table: inout [UInt64]) -> Bool {
    let mask = table.count - 1
    var index = Int(truncatingIfNeeded: hash) & mask
    while table[index] != 0 {
      if table[index] == hash { return false }
      index = (index + 1) & mask
    }
    table[index] = hash
    return true
  }

  private func resize(to count: Int) {
    var grown = [UInt64](repeating: 0, count: count)
    for hash in table where hash != 0 { _ = Self.insert(hash, &grown) }
    table = grown
  }

  /// Keeps the `nominalCount` smallest hashes.
  private func rebuild() {
    let sorted = table.filter { $0 != 0 }.sorted()
    guard sorted.count > nominalCount else { return }
    theta = sorted[nominalCount]
    kept = nominalCount
    for index in table.indices { table[index] = 0 }
    for hash in sorted[..<nominalCount] { _ = Self.insert(hash, &table) }
  }

  /// Adds everything that `other` has seen.
  public func formUnion(_ other: ThetaSketch) {
    sawAny = sawAny || other.sawAny
    if other.theta < theta {
      theta = other.theta
      let below = table.filter { $0 != 0 && $0 < theta }
      kept = below.count
      for index in table.indices { table[index] = 0 }
      for hash in below { _ = Self.insert(hash, &table) }
    }
    for hash in other.table where hash != 0 { add(hash: hash) }
  }

  /// At most `nominalCount` hashes, as a union gives them.
  public func trim() { rebuild() }

  // MARK: Bytes

  private static let serialVersion: UInt8 = 3
  private static let compactFamily: UInt8 = 3
  private static let flagBigEndian: UInt8 = 1
  private static let flagReadOnly: UInt8 = 2
  private static let flagEmpty: UInt8 = 4
  private static let flagCompact: UInt8 = 8
  private static let flagOrdered: UInt8 = 16
  private static let flagSingle: UInt8 = 32

  /// The compact, ordered form, which is the content of the blob.
  public func serialized() -> [UInt8] {
    let hashes = table.filter { $0 != 0 }.sorted()
    let isEstimating = theta < Self.thetaMax
    let isSingle = hashes.count == 1 && !isEstimating
    let preambleLongs: UInt8 = isEstimating ? 3 : hashes.count > 1 ? 2 : 1
    var flags = Self.flagReadOnly | Self.flagCompact | Self.flagOrdered
    if isEmpty { flags |= Self.flagEmpty }
    if isSingle { flags |= Self.flagSingle }
    var bytes: [UInt8] = [
      preambleLongs, Self.serialVersion, Self.compactFamily, 0, 0, flags,
      UInt8(truncatingIfNeeded: Self.seedHash), UInt8(Self.seedHash >> 8),
    ]
    func append(_ value: UInt64) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    if preambleLongs > 1 {
      // The count, and the sampling probability 1 as a float.
      append(UInt64(hashes.count) | UInt64(Float(1).bitPattern) << 32)
    }
    if preambleLongs > 2 { append(theta) }
    for hash in hashes { append(hash) }
    return bytes
  }

  /// Reads a compact sketch of serial version 3, from bytes that nobody vouches for.
  ///
  /// - Throws: `damaged`; `unsupported` for other versions, families and seeds.
  public convenience init(
    serialized bytes: Buffer, nominalLog: Int = nominalLogDefault
  ) throws(TableError) {
    self.init(nominalLog: nominalLog)
    let head = bytes.slice(offset: 0, count: min(8, bytes.count)).array(of: UInt8.self)
    guard head.count == 8 else { throw Self.damaged("has only \(bytes.count) bytes") }
    guard head[1] == Self.serialVersion, head[2] == Self.compactFamily,
      head[5] & Self.flagBigEndian == 0, head[5] & Self.flagCompact != 0
    else {
      throw TableError(
        .unsupported,
        "a sketch of version \(head[1]) and family \(head[2]) is not read; "
          + "expected the compact form, version 3")
    }
    if head[5] & Self.flagEmpty != 0 { return }
    guard UInt16(head[6]) | UInt16(head[7]) << 8 == Self.seedHash else {
      throw TableError(.unsupported, "the sketch was made with another seed than the default")
    }
    sawAny = true
    let words = bytes.slice(offset: 8, count: bytes.count - 8).array(of: UInt64.self)
      .map { UInt64(littleEndian: $0) }
    let preambleLongs = Int(head[0] & 0x3f)
    guard (1...3).contains(preambleLongs), words.count >= preambleLongs - 1 else {
      throw Self.damaged("has a preamble of \(preambleLongs) words and \(bytes.count) bytes")
    }
    let count = preambleLongs == 1 ? 1 : Int(words[0] & 0xffff_ffff)
    if preambleLongs == 3 { theta = words[1] }
    guard theta > 0 && theta <= Self.thetaMax, count == words.count - (preambleLongs - 1),
      bytes.count % 8 == 0
    else { throw Self.damaged("announces \(count) hashes in \(bytes.count) bytes") }
    let limit = theta
    for hash in words[(preambleLongs - 1)...] {
      guard hash > 0 && hash < limit else { throw Self.damaged("holds a hash beyond theta") }
      add(hash: hash)
    }
  }

  private static func damaged(_ message: String) -> TableError {
    TableError(.damaged, "the sketch \(message)")
  }
}
