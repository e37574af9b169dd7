// SPDX-License-Identifier: Apache-2.0

package import WeirColumnar

/// The events of a synthetic world, visit after visit, any number of them in bounded memory.
///
/// Equal settings give equal rows, however the batches are cut; a shorter run is a prefix of a longer
/// one. Times grow within a visit; visits overlap, as they do in a real log.
package final class SyntheticEvents: TableReader {
  package static let attributes = EventSchema.attributes([
    Field("request_id", .int64, nullable: false),
    Field("position", .int8),
    Field("propensity", .float32),
    Field("country", EventSchema.category, nullable: false),
    Field("device", EventSchema.category, nullable: false),
  ])

  package let schema: Schema
  private let world: SyntheticWorld
  private let batchRows: Int
  private var rowsLeft: Int
  private var session = 0
  private var pending: ArraySlice<SyntheticEvent> = []

  package init(_ world: SyntheticWorld, rowCount: Int, batchRows: Int = 32_768) {
    precondition(rowCount >= 0 && batchRows > 0, "a batch has at least one row")
    self.world = world
    self.batchRows = batchRows
    rowsLeft = rowCount
    schema = Schema(
      EventSchema.common + SyntheticEvents.attributes,
      metadata: DataSet.metadata(SyntheticWorld.name, attribution: nil, licence: nil))
  }

  package var consumedByteCount: Int { 0 }
  package var totalByteCount: Int { 0 }
  package var textByteCount: Int { 0 }

  package func nextBatch() throws(WorldError) -> RecordBatch? {
    let rows = min(batchRows, rowsLeft)
    if rows == 0 { return nil }
    var columns = Columns()
    var made = 0
    while made < rows {
      if pending.isEmpty {
        pending = SyntheticSession.events(world, number: session)[...]
        session += 1
      }
      let part = pending.prefix(rows - made)
      for event in part { columns.append(event, world.users[event.user]) }
      pending = pending.dropFirst(part.count)
      made += part.count
    }
    rowsLeft -= rows
    return RecordBatch(trusted: schema, columns: columns.finish(), rowCount: rows)
  }

  private struct Columns {
    private var time = FixedColumn<Int64>(EventSchema.eventTime.type)
    private var user = FixedColumn<Int64>(.int64)
    private var item = FixedColumn<Int64>(.int64)
    private var kind = CodedColumn(SyntheticEvent.Kind.allCases.map(\.name))
    private var value = FixedColumn<Float>(.float32)
    private var request = FixedColumn<Int64>(.int64)
    private var position = FixedColumn<Int8>(.int8)
    private var propensity = FixedColumn<Float>(.float32)
    private var country = CodedColumn(SyntheticWorld.countries)
    private var device = CodedColumn(SyntheticWorld.devices)

    mutating func append(_ event: SyntheticEvent, _ who: SyntheticWorld.User) {
      time.append(event.time)
      user.append(Int64(event.user + 1))
      item.append(Int64(event.item + 1))
      kind.append(event.kind.rawValue)
      if let amount = event.value { value.append(amount) } else { value.appendNull() }
      request.append(event.request)
      if let place = event.position { position.append(Int8(place)) } else { position.appendNull() }
      if let share = event.propensity { propensity.append(share) } else { propensity.appendNull() }
      country.append(who.country)
      device.append(who.device)
    }

    mutating func finish() -> [ArrayData] {
      [
        time.finish(), user.finish(), item.finish(), kind.finish(), value.finish(),
        request.finish(), position.finish(), propensity.finish(), country.finish(),
        device.finish(),
      ]
    }
  }
}

/// Batches that are in memory.
final class FixedTable: TableReader {
  let schema: Schema
  private var batches: ArraySlice<RecordBatch>

  init(_ batch: RecordBatch) {
    schema = batch.schema
    batches = [batch]
  }

  var consumedByteCount: Int { 0 }
  var totalByteCount: Int { 0 }
  var textByteCount: Int { 0 }
  func nextBatch() -> RecordBatch? { batches.popFirst() }
}

extension SyntheticWorld {
  package static let name = "synthetic"
  private static let vectorType = DataType.fixedSizeList(
    Field("item", .float32, nullable: false), size: dimensions)

  /// The world as a data set with `eventCount` events.
  package static func dataSet(_ settings: WorldSettings, eventCount: Int) -> DataSet {
    let world = SyntheticWorld(settings)
    return DataSet(
      name: name, title: "Synthetic world",
      summary: "short videos, \(settings.userCount) users, \(settings.itemCount) items, "
        + "seed \(settings.seed)",
      attribution: nil, licence: nil, valueName: "seconds watched",
      tables: [
        DataSet.Table(
          name: "events", sources: [],
          opener: TableOpener { () throws(WorldError) in
            SyntheticEvents(world, rowCount: eventCount)
          }),
        DataSet.Table(
          name: "items", sources: [],
          opener: TableOpener { () throws(WorldError) in FixedTable(world.itemBatch()) }),
        DataSet.Table(
          name: "users", sources: [],
          opener: TableOpener { () throws(WorldError) in FixedTable(world.userBatch()) }),
      ],
      itemLabels: ["title", "creator", "topic"])
  }

  /// One row per item, with the latent vector that the events come from.
  package func itemBatch() -> RecordBatch {
    var id = FixedColumn<Int64>(.int64)
    var title = TextColumn()
    var topic = CodedColumn(SyntheticWorld.topics)
    var creatorID = FixedColumn<Int64>(.int64)
    var creator = TextColumn()
    var created = FixedColumn<Int64>(EventSchema.eventTime.type)
    var duration = FixedColumn<Int32>(.int32)
    for (index, item) in items.enumerated() {
      id.append(Int64(index + 1))
      title.append(SyntheticNames.title(topic: item.topic, number: index, settings.seed))
      topic.append(item.topic)
      creatorID.append(Int64(item.creator + 1))
      creator.append(SyntheticNames.creator(item.creator, settings.seed))
      created.append(item.createdMilliseconds)
      duration.append(Int32(item.durationSeconds))
    }
    let fields = EventSchema.dimension([
      Field("item_id", .int64, nullable: false), Field("title", .utf8, nullable: false),
      Field("topic", EventSchema.category, nullable: false),
      Field("creator_id", .int64, nullable: false), Field("creator", .utf8, nullable: false),
      Field("created_at", EventSchema.eventTime.type, nullable: false),
      Field("duration_seconds", .int32, nullable: false),
      Field("latent", SyntheticWorld.vectorType, nullable: false),
    ])
    return RecordBatch(
      trusted: dimensionSchema(fields),
      columns: [
        id.finish(), title.finish(), topic.finish(), creatorID.finish(), creator.finish(),
        created.finish(), duration.finish(), vectors(itemVectors),
      ], rowCount: items.count)
  }

  /// One row per user, with the latent taste that the events come from.
  package func userBatch() -> RecordBatch {
    var id = FixedColumn<Int64>(.int64)
    var country = CodedColumn(SyntheticWorld.countries)
    var device = CodedColumn(SyntheticWorld.devices)
    var signup = FixedColumn<Int64>(EventSchema.eventTime.type)
    for (index, user) in users.enumerated() {
      id.append(Int64(index + 1))
      country.append(user.country)
      device.append(user.device)
      signup.append(user.signupMilliseconds)
    }
    let fields = EventSchema.dimension([
      Field("user_id", .int64, nullable: false),
      Field("country", EventSchema.category, nullable: false),
      Field("device", EventSchema.category, nullable: false),
      Field("signup_at", EventSchema.eventTime.type, nullable: false),
      Field("latent", SyntheticWorld.vectorType, nullable: false),
    ])
    return RecordBatch(
      trusted: dimensionSchema(fields),
      columns: [
        id.finish(), country.finish(), device.finish(), signup.finish(), vectors(userVectors),
      ], rowCount: users.count)
  }

  private func dimensionSchema(_ fields: [Field]) -> Schema {
    Schema(
      fields,
      metadata: DataSet.metadata(SyntheticWorld.name, attribution: nil, licence: nil))
  }

  private func vectors(_ numbers: [Double]) -> ArrayData {
    var items = FixedColumn<Float>(.float32)
    for number in numbers { items.append(Float(number)) }
    return ArrayData(
      type: SyntheticWorld.vectorType, length: numbers.count / SyntheticWorld.dimensions,
      children: [items.finish()])
  }
}
