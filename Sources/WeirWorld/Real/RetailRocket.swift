// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension RealData {
  /// Retailrocket: views, carts and purchases in one shop.
  @Sendable
  static func retailrocket(_ folder: String) -> DataSet {
    let attribution = "Retailrocket recommender system dataset"
    let licence = "CC BY-NC-SA 4.0 (not for commercial use)"
    let metadata = DataSet.metadata("retailrocket", attribution: attribution, licence: licence)
    let path = "\(folder)/events.csv.gz"
    let heldOut = "\(folder)/heldout_buys.csv"
    let events = [
      CSVColumn(EventSchema.eventTime, from: "timestamp", timeForm: .unixSeconds),
      CSVColumn(EventSchema.userID, from: "user_id"),
      CSVColumn(EventSchema.itemID, from: "item_id"),
      CSVColumn(EventSchema.event, from: "event"),
      CSVColumn(EventSchema.value, .null),
    ]
    var tables = [
      DataSet.Table(name: "events", sources: [path], opener: csv(path, events, metadata))
    ]
    if FileProbe.size(heldOut) != nil {
      let columns = dimension([
        CSVColumn(Field("user_id", .int64, nullable: false), from: "user_id"),
        CSVColumn(Field("item_id", .int64, nullable: false), from: "item_id"),
      ])
      tables.append(
        DataSet.Table(
          name: "heldout_buys", sources: [heldOut], opener: csv(heldOut, columns, metadata)))
    }
    return DataSet(
      name: "retailrocket", title: "Retailrocket", summary: "views, carts and buys in one shop",
      attribution: attribution, licence: licence, valueName: nil, tables: tables, itemLabels: [])
  }
}
