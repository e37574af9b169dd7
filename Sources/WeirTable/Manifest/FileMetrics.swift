// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// What a manifest says about the columns of a file, by field id: sizes, counts and bounds.
///
/// Metrics that come from a manifest stay in their encoded form and are decoded on demand: looking up
/// one column costs a walk over one map and no allocation beyond the value. They keep alive the
/// manifest's block that they lie in; `detached()` cuts them loose. A map is `nil` when the writer
/// left it out.
public struct FileMetrics: Sendable {
  /// The maps in memory.
  struct Maps: Hashable, Sendable {
    var columnSizes: [Int32: Int64]?
    var valueCounts: [Int32: Int64]?
    var nullValueCounts: [Int32: Int64]?
    var nanValueCounts: [Int32: Int64]?
    var lowerBounds: [Int32: [UInt8]]?
    var upperBounds: [Int32: [UInt8]]?

    var isEmpty: Bool {
      columnSizes == nil && valueCounts == nil && nullValueCounts == nil && nanValueCounts == nil
        && lowerBounds == nil && upperBounds == nil
    }
  }

  enum Storage: Sendable {
    case none
    case maps(Maps)
    case encoded(EncodedMetrics)
  }

  var storage: Storage

  init(storage: Storage) { self.storage = storage }

  /// No metrics.
  public init() { storage = .none }

  public init(
    columnSizes: [Int32: Int64]? = nil, valueCounts: [Int32: Int64]? = nil,
    nullValueCounts: [Int32: Int64]? = nil, nanValueCounts: [Int32: Int64]? = nil,
    lowerBounds: [Int32: [UInt8]]? = nil, upperBounds: [Int32: [UInt8]]? = nil
  ) {
    storage = .maps(
      Maps(
        columnSizes: columnSizes, valueCounts: valueCounts, nullValueCounts: nullValueCounts,
        nanValueCounts: nanValueCounts, lowerBounds: lowerBounds, upperBounds: upperBounds))
  }

  /// Bytes of each column on disk.
  public var columnSizes: [Int32: Int64]? {
    get { counts(.columnSizes, \.columnSizes) }
    set { update { $0.columnSizes = newValue } }
  }

  /// Values, including null and NaN.
  public var valueCounts: [Int32: Int64]? {
    get { counts(.valueCounts, \.valueCounts) }
    set { update { $0.valueCounts = newValue } }
  }

  public var nullValueCounts: [Int32: Int64]? {
    get { counts(.nullValueCounts, \.nullValueCounts) }
    set { update { $0.nullValueCounts = newValue } }
  }

  public var nanValueCounts: [Int32: Int64]? {
    get { counts(.nanValueCounts, \.nanValueCounts) }
    set { update { $0.nanValueCounts = newValue } }
  }

  /// At or below every value, in single-value serialization (`SingleValue`).
  public var lowerBounds: [Int32: [UInt8]]? {
    get { bounds(.lowerBounds, \.lowerBounds) }
    set { update { $0.lowerBounds = newValue } }
  }

  /// At or above every value, in single-value serialization.
  public var upperBounds: [Int32: [UInt8]]? {
    get { bounds(.upperBounds, \.upperBounds) }
    set { update { $0.upperBounds = newValue } }
  }

  public func columnSize(of fieldID: Int32) -> Int64? {
    count(fieldID, .columnSizes, \.columnSizes)
  }
  public func valueCount(of fieldID: Int32) -> Int64? {
    count(fieldID, .valueCounts, \.valueCounts)
  }
  public func nullValueCount(of fieldID: Int32) -> Int64? {
    count(fieldID, .nullValueCounts, \.nullValueCounts)
  }
  public func nanValueCount(of fieldID: Int32) -> Int64? {
    count(fieldID, .nanValueCounts, \.nanValueCounts)
  }
  public func lowerBound(of fieldID: Int32) -> [UInt8]? {
    bound(fieldID, .lowerBounds, \.lowerBounds)
  }
  public func upperBound(of fieldID: Int32) -> [UInt8]? {
    bound(fieldID, .upperBounds, \.upperBounds)
  }

  /// The same metrics, on memory of their own.
  public func detached() -> FileMetrics {
    guard case .encoded(let encoded) = storage else { return self }
    return FileMetrics(storage: .encoded(encoded.detached()))
  }

  private func counts(
    _ part: EncodedMetrics.Part, _ path: KeyPath<Maps, [Int32: Int64]?>
  ) -> [Int32: Int64]? {
    switch storage {
    case .none: nil
    case .maps(let maps): maps[keyPath: path]
    case .encoded(let encoded): encoded.counts(part)
    }
  }

  private func bounds(
    _ part: EncodedMetrics.Part, _ path: KeyPath<Maps, [Int32: [UInt8]]?>
  ) -> [Int32: [UInt8]]? {
    switch storage {
    case .none: nil
    case .maps(let maps): maps[keyPath: path]
    case .encoded(let encoded): encoded.bounds(part)
    }
  }

  private func count(
    _ fieldID: Int32, _ part: EncodedMetrics.Part, _ path: KeyPath<Maps, [Int32: Int64]?>
  ) -> Int64? {
    switch storage {
    case .none: nil
    case .maps(let maps): maps[keyPath: path]?[fieldID]
    case .encoded(let encoded): encoded.count(fieldID, part)
    }
  }

  private func bound(
    _ fieldID: Int32, _ part: EncodedMetrics.Part, _ path: KeyPath<Maps, [Int32: [UInt8]]?>
  ) -> [UInt8]? {
    switch storage {
    case .none: nil
    case .maps(let maps): maps[keyPath: path]?[fieldID]
    case .encoded(let encoded): encoded.bound(fieldID, part)
    }
  }

  /// The maps, decoded.
  var maps: Maps {
    switch storage {
    case .none: Maps()
    case .maps(let maps): maps
    case .encoded(let encoded): encoded.maps()
    }
  }

  private mutating func update(_ change: (inout Maps) -> Void) {
    var maps = self.maps
    change(&maps)
    storage = .maps(maps)
  }
}

/// Equal when all maps are, in whatever form they are kept.
extension FileMetrics: Hashable {
  public static func == (a: FileMetrics, b: FileMetrics) -> Bool { a.maps == b.maps }
  public func hash(into hasher: inout Hasher) { hasher.combine(maps) }
}
