// SPDX-License-Identifier: Apache-2.0

public import WeirColumnar
public import WeirStreaming

/// Reads the features of a view from live tables. Threads may share it; calls block.
public final class FeatureReader: Sendable {
  public let view: FeatureView
  private let user: [any ServedStream]
  private let item: [any ServedStream]

  /// - Throws: `notFound` when a table of the view is no stream of the service.
  public init(_ view: FeatureView, streams: any StreamService) throws(StreamError) {
    self.view = view
    user = try view.user.sources.map { source throws(StreamError) in
      try streams.stream(source.entry.table)
    }
    item = try view.item.sources.map { source throws(StreamError) in
      try streams.stream(source.entry.table)
    }
  }

  /// The features of entities as all acknowledged rows left them, one lookup for each table.
  ///
  /// An entity without rows has the features of no events: counts of 0, ratios at their prior, empty lists,
  /// and nulls.
  ///
  /// - Parameters:
  ///   - keys: in the type of the side's key, without nulls. The same key may come again.
  ///   - time: at which windows end; microseconds since 1970.
  public func features(
    _ side: FeatureViewDefinition.Side, of keys: ArrayData, at time: Int64
  ) throws(StreamError) -> FeatureRows {
    let shape = view.side(side)
    var inputs: [FeatureInput] = []
    for (source, stream) in zip(shape.sources, side == .user ? user : item) {
      let wanted: RecordBatch
      do throws(ColumnarError) {
        wanted = try RecordBatch(schema: Schema([source.key]), columns: [keys])
      } catch { throw StreamError(error) }
      let found = try stream.lookup(keys: wanted, columns: source.names)
      inputs.append(source.profile == nil ? .rows(found) : .states(try Self.states(found)))
    }
    return try shape.features(of: inputs, count: keys.length, at: time)
  }

  private static func states(_ found: StreamLookup) throws(StreamError) -> [[UInt8]?] {
    let column = found.rows[ProfileOperator.stateColumn]
    var next = 0
    return found.found.map { isFound in
      guard isFound else { return nil }
      defer { next += 1 }
      guard case .binary(let bytes)? = column?.scalar(at: next) else { return nil }
      return bytes
    }
  }
}
