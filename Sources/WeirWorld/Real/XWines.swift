// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

extension RealData {
  /// X-Wines Slim: who rated which wine with how many stars, and what the wines are.
  @Sendable
  static func xwines(_ folder: String) -> DataSet {
    let attribution = "X-Wines by Rogério Xavier de Azambuja (github.com/rogerioxavier/X-Wines)"
    let metadata = DataSet.metadata("xwines", attribution: attribution, licence: "CC0 1.0")
    let ratings = "\(folder)/ratings.csv.gz"
    let wines = "\(folder)/wines.csv.gz"
    var events = [
      CSVColumn(EventSchema.eventTime, from: "Date"),
      CSVColumn(EventSchema.userID, from: "UserID"),
      CSVColumn(EventSchema.itemID, from: "WineID"),
      CSVColumn(EventSchema.event, .constant("rating")),
      CSVColumn(EventSchema.value, from: "Rating"),
    ]
    // A vintage of 0 stands for "not vintage".
    events += attributes([
      CSVColumn(Field("vintage", .int16), from: "Vintage", nullText: "0"),
      CSVColumn(Field("rating_id", .int64, nullable: false), from: "RatingID"),
    ])
    var tables = [
      DataSet.Table(name: "events", sources: [ratings], opener: csv(ratings, events, metadata))
    ]
    if FileProbe.size(wines) != nil {
      tables.append(
        DataSet.Table(name: "items", sources: [wines], opener: csv(wines, wineColumns, metadata)))
    }
    return DataSet(
      name: "xwines", title: "X-Wines Slim", summary: "wine ratings of 1 to 5 stars",
      attribution: attribution, licence: "CC0 1.0", valueName: "stars", tables: tables,
      itemLabels: ["name", "winery", "country"])
  }

  private static let wineColumns = dimension([
    CSVColumn(Field("item_id", .int64, nullable: false), from: "WineID"),
    CSVColumn(Field("name", .utf8, nullable: false), from: "WineName"),
    CSVColumn(Field("type", EventSchema.category), from: "Type"),
    CSVColumn(Field("elaborate", EventSchema.category), from: "Elaborate"),
    CSVColumn(Field("grapes", .list(of: .utf8)), from: "Grapes"),
    CSVColumn(Field("harmonize", .list(of: .utf8)), from: "Harmonize"),
    CSVColumn(Field("alcohol_percent", .float32), from: "ABV"),
    CSVColumn(Field("body", EventSchema.category), from: "Body"),
    CSVColumn(Field("acidity", EventSchema.category), from: "Acidity"),
    CSVColumn(Field("country_code", EventSchema.category), from: "Code"),
    CSVColumn(Field("country", EventSchema.category), from: "Country"),
    CSVColumn(Field("region_id", .int64), from: "RegionID"),
    CSVColumn(Field("region", .utf8), from: "RegionName"),
    CSVColumn(Field("winery_id", .int64), from: "WineryID"),
    CSVColumn(Field("winery", .utf8), from: "WineryName"),
    CSVColumn(Field("website", .utf8), from: "Website"),
    CSVColumn(Field("vintages", .list(of: .int16)), from: "Vintages"),
  ])
}
