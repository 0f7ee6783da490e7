import { LIST_MAX } from "../database/limits.ts"

/** What is asked of PostgreSQL's catalog. Names are qualified: a search path must not lead them to somebody's own tables. */
const ONE_MORE = LIST_MAX + 1
const NO_SYSTEM = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

export const HEALTH = `
  SELECT pg_catalog.version() AS version, pg_catalog.current_database()::text AS database, current_user::text AS "user",
    pg_catalog.pg_is_in_recovery() AS in_recovery, r.rolsuper AS superuser
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`

export const RELATION = `
  SELECT c.oid::text AS oid, n.nspname::text AS schema, c.relname::text AS table,
    CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
      WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' END AS type,
    pg_catalog.obj_description(c.oid, 'pg_class') AS comment
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = $1
    AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END
  LIMIT 1`

export const TABLES = `
  SELECT n.nspname::text AS schema, c.relname::text AS name,
    CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
      WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' END AS type,
    CASE WHEN c.relkind IN ('r', 'p', 'm') AND c.reltuples >= 0 THEN c.reltuples::bigint END AS estimated_rows,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_total_relation_size(c.oid) END AS size_bytes,
    pg_catalog.obj_description(c.oid, 'pg_class') AS comment
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND CASE WHEN $1::text IS NULL THEN ${NO_SYSTEM} ELSE n.nspname = $1 END
  ORDER BY 1, 2 LIMIT ${ONE_MORE}`

export const SCHEMAS = `
  SELECT n.nspname::text AS name, pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner,
    (SELECT count(*) FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')) AS table_count
  FROM pg_catalog.pg_namespace n WHERE $1::boolean OR (${NO_SYSTEM}) ORDER BY 1 LIMIT ${ONE_MORE}`

export const INDEXES = `
  SELECT n.nspname::text AS schema, t.relname::text AS table, i.relname::text AS name, x.indisunique AS unique,
    x.indisprimary AS primary, x.indisvalid AS valid, m.amname::text AS method,
    pg_catalog.pg_get_expr(x.indpred, x.indrelid) AS predicate, pg_catalog.pg_get_indexdef(i.oid) AS definition,
    pg_catalog.pg_relation_size(i.oid) AS size_bytes, s.idx_scan AS scans
  FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid JOIN pg_catalog.pg_class t ON t.oid = x.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace JOIN pg_catalog.pg_am m ON m.oid = i.relam
    LEFT JOIN pg_catalog.pg_stat_user_indexes s ON s.indexrelid = i.oid
  WHERE ($1::text IS NULL OR t.relname = $1) AND CASE WHEN $2::text IS NULL THEN ${NO_SYSTEM} ELSE n.nspname = $2 END
  ORDER BY 1, 2, 3 LIMIT ${ONE_MORE}`

export const COLUMNS = `
  SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
    CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS default,
    CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS generated,
    CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
    CASE WHEN a.attcollation <> t.typcollation THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(l.collname) END AS collation,
    pg_catalog.col_description(a.attrelid, a.attnum) AS comment
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`

export const CONSTRAINTS = `
  SELECT c.conname::text AS name,
    CASE c.contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'u' THEN 'unique' WHEN 'c' THEN 'check'
      WHEN 'x' THEN 'exclusion' ELSE 'other' END AS type,
    (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
      FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k (number, place)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS columns,
    CASE WHEN c.contype = 'f' THEN c.confrelid::regclass::text END AS references_table,
    CASE WHEN c.contype = 'f' THEN (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
      FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k (number, place)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number) END AS references_columns,
    pg_catalog.pg_get_constraintdef(c.oid) AS definition
  FROM pg_catalog.pg_constraint c WHERE c.conrelid = $1::oid AND c.contype IN ('p', 'f', 'u', 'c', 'x')
  ORDER BY pg_catalog.strpos('pucxf', c.contype::text), c.conname`

/** What a definition is made of besides columns and constraints. */
export const DEFINITION = `
  SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS qualified, c.relkind::text AS kind,
    c.relpersistence = 'u' AS unlogged, c.relispartition AS is_partition,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END AS view,
    CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS partition_key,
    pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
    (SELECT pg_catalog.array_agg(i.inhparent::regclass::text ORDER BY i.inhseqno) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) AS parents
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid`

/** Indexes that no constraint makes, then triggers. */
export const EXTRAS = `
  SELECT pg_catalog.pg_get_indexdef(x.indexrelid) AS sql FROM pg_catalog.pg_index x
  WHERE x.indrelid = $1::oid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = x.indexrelid AND c.conrelid = x.indrelid)
  UNION ALL
  SELECT pg_catalog.pg_get_triggerdef(g.oid) FROM pg_catalog.pg_trigger g WHERE g.tgrelid = $1::oid AND NOT g.tgisinternal`

export const COMMENTS = `
  SELECT CASE WHEN d.objsubid = 0
      THEN 'COMMENT ON ' || CASE c.relkind WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' WHEN 'f' THEN 'FOREIGN TABLE ' ELSE 'TABLE ' END
      ELSE 'COMMENT ON COLUMN ' END
    || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
    || CASE WHEN d.objsubid = 0 THEN '' ELSE '.' || pg_catalog.quote_ident(a.attname) END
    || ' IS ' || pg_catalog.quote_literal(d.description) AS sql
  FROM pg_catalog.pg_description d JOIN pg_catalog.pg_class c ON c.oid = d.objoid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
  WHERE d.classoid = 'pg_catalog.pg_class'::regclass AND d.objoid = $1::oid ORDER BY d.objsubid`
