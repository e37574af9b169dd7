// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension RealData {
  /// The Open Bandit Dataset: what two policies showed on a fashion site, with what probability, and
  /// what was clicked.
  ///
  /// Each record is an `impression`; a clicked one is followed by a `click` of the same time and
  /// `impression_id`. Users are known by hashed features alone.
  @Sendable
  static func openbandit(_ folder: String) -> DataSet {
    let attribution = "Open Bandit Dataset, ZOZO, Inc."
    let metadata = DataSet.metadata("openbandit", attribution: attribution, licence: "CC BY 4.0")
    let random = "\(folder)/random_men.csv.gz"
    let thompson = "\(folder)/bts_men.csv.gz"
    let items = "\(folder)/items_men.csv"
    let size = [random, thompson].reduce(0) { $0 + (FileProbe.size($1) ?? 0) }
    let opener = TableOpener { () throws(WorldError) in
      ChainedTable(
        schema: Schema(impressionColumns(policy: "", idOffset: 0).map(\.field), metadata: metadata),
        totalByteCount: size,
        parts: [
          impressions(random, policy: "random", idOffset: 0, metadata),
          impressions(thompson, policy: "bernoulli_thompson", idOffset: 1_000_000_000, metadata),
        ])
    }
    var tables = [DataSet.Table(name: "events", sources: [random, thompson], opener: opener)]
    if FileProbe.size(items) != nil {
      let fields = (0..<4).map { number in
        CSVColumn(
          Field("feature_\(number)", number == 0 ? .float64 : EventSchema.category),
          from: "item_feature_\(number)")
      }
      let columns = dimension(
        [CSVColumn(Field("item_id", .int64, nullable: false), from: "item_id")] + fields)
      tables.append(
        DataSet.Table(name: "items", sources: [items], opener: csv(items, columns, metadata)))
    }
    return DataSet(
      name: "openbandit", title: "Open Bandit, men's campaign",
      summary: "impressions with propensities under two policies",
      attribution: attribution, licence: "CC BY 4.0", valueName: nil, tables: tables,
      itemLabels: [])
  }

  private static func impressions(
    _ path: String, policy: String, idOffset: Int64, _ metadata: Metadata
  ) -> TableOpener {
    TableOpener { () throws(WorldError) in
      try CSVTable(
        FileSource.text(path), columns: impressionColumns(policy: policy, idOffset: idOffset),
        passes: [CSVPass("impression"), CSVPass("click", when: "click")], metadata: metadata)
    }
  }

  private static func impressionColumns(policy: String, idOffset: Int64) -> [CSVColumn] {
    let common = [
      CSVColumn(EventSchema.eventTime, from: "timestamp"),
      CSVColumn(EventSchema.userID, .null),
      CSVColumn(EventSchema.itemID, from: "item_id"),
      CSVColumn(EventSchema.event, .passName),
      CSVColumn(EventSchema.value, .null),
    ]
    let affinity = DataType.fixedSizeList(Field("item", .float32), size: 34)
    return common
      + attributes(
        [
          CSVColumn(
            Field("impression_id", .int64, nullable: false), from: "", idOffset: idOffset),
          CSVColumn(
            Field("policy", EventSchema.category, nullable: false), .constant(policy)),
          CSVColumn(Field("position", .int8, nullable: false), from: "position"),
          CSVColumn(Field("propensity", .float64, nullable: false), from: "propensity_score"),
        ]
          + (0..<4).map {
            CSVColumn(Field("user_feature_\($0)", EventSchema.category), from: "user_feature_\($0)")
          }
          + [
            CSVColumn(
              Field("user_item_affinity", affinity, nullable: false),
              .columns((0..<34).map { "user-item_affinity_\($0)" }))
          ])
  }
}
