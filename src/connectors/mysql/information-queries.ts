import { LIST_MAX } from "../database/limits.ts"

/** What is asked of the information schema. Every column has a name of ours: MySQL and MariaDB spell theirs differently. */
const ONE_MORE = LIST_MAX + 1
const OWN = "t.TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"
/** `?` is a database, or NULL for the connection's own. */
const PLACE = `t.TABLE_SCHEMA = COALESCE(?, DATABASE()) AND ${OWN}`

export const ACTIVE_QUERIES = `
  SELECT p.ID AS id, p.USER AS user, p.HOST AS host, p.DB AS \`database\`, p.COMMAND AS command, p.TIME AS seconds,
    p.STATE AS state, p.INFO AS query
  FROM information_schema.PROCESSLIST p
  WHERE p.ID <> CONNECTION_ID() AND p.COMMAND NOT IN ('Sleep', 'Daemon') AND p.TIME >= ?
  ORDER BY p.TIME DESC LIMIT ${ONE_MORE}`

export const TABLES = `
  SELECT t.TABLE_SCHEMA AS \`database\`, t.TABLE_NAME AS name, t.TABLE_TYPE AS type, t.ENGINE AS engine,
    t.TABLE_ROWS AS estimated_rows, t.TABLE_COLLATION AS collation, t.TABLE_COMMENT AS comment
  FROM information_schema.TABLES t WHERE ${PLACE} ORDER BY 1, 2 LIMIT ${ONE_MORE}`

/** A primary key is a unique index that takes no NULL. */
export const WITHOUT_UNIQUE_INDEX = `
  SELECT t.TABLE_SCHEMA AS \`database\`, t.TABLE_NAME AS name, t.ENGINE AS engine, t.TABLE_ROWS AS estimated_rows
  FROM information_schema.TABLES t
  WHERE ${PLACE} AND t.TABLE_TYPE = 'BASE TABLE' AND NOT EXISTS (
    SELECT 1 FROM information_schema.STATISTICS s
    WHERE s.TABLE_SCHEMA = t.TABLE_SCHEMA AND s.TABLE_NAME = t.TABLE_NAME AND s.NON_UNIQUE = 0)
  ORDER BY 1, 2 LIMIT ${ONE_MORE}`

export const FRAGMENTATION = `
  SELECT t.TABLE_SCHEMA AS \`database\`, t.TABLE_NAME AS name, t.ENGINE AS engine, t.DATA_LENGTH AS data_bytes,
    t.INDEX_LENGTH AS index_bytes, t.DATA_FREE AS free_bytes,
    ROUND(100 * t.DATA_FREE / NULLIF(t.DATA_LENGTH + t.INDEX_LENGTH + t.DATA_FREE, 0), 2) AS fragmentation_percent
  FROM information_schema.TABLES t
  WHERE ${PLACE} AND t.TABLE_TYPE = 'BASE TABLE' AND t.DATA_FREE >= ?
  ORDER BY t.DATA_FREE DESC, 2 LIMIT ${ONE_MORE}`

export const STATS = `
  SELECT t.TABLE_SCHEMA AS \`database\`, t.TABLE_NAME AS name, t.ENGINE AS engine, t.TABLE_ROWS AS estimated_rows,
    t.AVG_ROW_LENGTH AS average_row_bytes, t.DATA_LENGTH AS data_bytes, t.INDEX_LENGTH AS index_bytes,
    t.AUTO_INCREMENT AS auto_increment, t.CREATE_TIME AS created_at, t.UPDATE_TIME AS updated_at,
    (SELECT COUNT(*) FROM information_schema.COLUMNS c WHERE c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME) AS column_count,
    (SELECT COUNT(DISTINCT s.INDEX_NAME) FROM information_schema.STATISTICS s
      WHERE s.TABLE_SCHEMA = t.TABLE_SCHEMA AND s.TABLE_NAME = t.TABLE_NAME) AS index_count
  FROM information_schema.TABLES t
  WHERE ${PLACE} AND t.TABLE_TYPE = 'BASE TABLE' AND t.TABLE_NAME = COALESCE(?, t.TABLE_NAME)
  ORDER BY t.DATA_LENGTH + t.INDEX_LENGTH DESC, 2 LIMIT ${ONE_MORE}`
