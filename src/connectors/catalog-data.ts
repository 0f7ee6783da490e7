import type { AuthKind, ConnectorStatus } from "./connector.ts"

/** A platform adapter as the contract's Appendix A documents it. */
export interface AdapterRow {
  readonly slug: string
  readonly name: string
  readonly category: string
  readonly auth: AuthKind
  readonly status?: ConnectorStatus
  readonly description: string
  /** Tool names, separated by blanks. */
  readonly tools: string
  /** Keys, separated by blanks: `*` required, `!` secret, `#` a number; `=` and the default, or options with `|` between. */
  readonly config: string
  readonly notes?: { readonly [key: string]: string }
}

export const ADAPTERS: readonly AdapterRow[] = [
  {
    slug: "activecampaign",
    name: "ActiveCampaign",
    category: "marketing",
    auth: "api_key",
    description: "Contacts, lists, tags and accounts of ActiveCampaign.",
    tools: `activecampaign_get_users_me activecampaign_create_contact activecampaign_update_contact activecampaign_list_contacts
      activecampaign_subscribe_or_unsubscribe_contact_from_list activecampaign_add_tag_to_contact
      activecampaign_add_contact_to_account activecampaign_create_account activecampaign_update_account`,
    config: "activecampaign_api_url* activecampaign_api_token*! activecampaign_http_timeout_second=45",
  },
  {
    slug: "brave",
    name: "Brave Search",
    category: "search",
    auth: "api_key",
    description: "Web, news, image, video and local search with Brave.",
    tools: "brave_web_search brave_summarizer brave_news_search brave_local_search brave_image_search brave_video_search",
    config: "APIKey*! APIBase",
  },
  {
    slug: "browserless",
    name: "Browserless",
    category: "web",
    auth: "api_key",
    description: "Screenshots, PDFs, scraping and performance of web pages in a hosted browser.",
    tools: "capture_screenshot generate_pdf scrape_url run_bql_query get_website_performance",
    config: "APIToken*! APIBase",
  },
  {
    slug: "clickup",
    name: "ClickUp",
    category: "project management",
    auth: "api_key",
    description: "Workspaces, spaces, lists, tasks and comments of ClickUp.",
    tools: `clickup_get_workspaces clickup_get_spaces clickup_get_list clickup_get_tasks clickup_get_task clickup_create_task
      clickup_update_task clickup_delete_task clickup_get_comments clickup_create_comment`,
    config: "APIKey*! APIBase",
  },
  {
    slug: "cursor",
    name: "Cursor",
    category: "development",
    auth: "api_key",
    description: "Background coding agents of Cursor.",
    tools: "launch_agent find_agent_status list_agents add_followup_instruction delete_agent",
    config: "APIKey*! APIBase",
  },
  {
    slug: "elevenlabs",
    name: "ElevenLabs",
    category: "media",
    auth: "api_key",
    description: "Voices and text to speech of ElevenLabs.",
    tools: "list_voices text_to_speech",
    config: "APIKey*! APIBase",
  },
  {
    slug: "exa",
    name: "Exa",
    category: "search",
    auth: "api_key",
    description: "Semantic web search and answers with sources.",
    tools: "exa_search exa_find_similar exa_answer",
    config: "APIKey*! APIBase",
  },
  {
    slug: "firestore",
    name: "Firestore",
    category: "database",
    auth: "api_key",
    description: "Documents, collections and rules of Google Cloud Firestore.",
    tools: `firestore_get_documents firestore_query_collection firestore_add_documents firestore_update_document
      firestore_delete_documents firestore_get_rules firestore_validate_rules firestore_list_collections`,
    config: "firestore_project_id* firestore_database=(default) firestore_credentials_json!",
  },
  {
    slug: "geminiimage",
    name: "Gemini Image",
    category: "media",
    auth: "api_key",
    description: "Makes, edits and composes images with Gemini.",
    tools: "gemini_text_to_image gemini_edit_image gemini_compose_images",
    config: "APIKey*! DefaultModel APIBase",
  },
  {
    slug: "github",
    name: "GitHub",
    category: "development",
    auth: "api_key",
    description: "Repositories, files, branches, pull requests, issues and search of GitHub.",
    tools: `get_pull_request list_pull_requests list_pull_request_files create_pull_request update_pull_request merge_pull_request
      list_branches get_branch create_branch get_issue list_issues create_issue update_issue add_issue_comment
      list_issue_comments get_repo list_repos get_file_contents create_or_update_file delete_file list_commits compare_commits
      list_tags create_fork search_repositories search_code search_issues_pull_requests search_users get_user
      get_authenticated_user`,
    config: "APIToken*!",
  },
  {
    slug: "gitlab",
    name: "GitLab",
    category: "development",
    auth: "api_key",
    description: "Projects and issues of GitLab, and any call of its API.",
    tools: "get_current_user list_projects get_project list_issues create_issue gitlab_api_call",
    config: "APIToken*! BaseURL",
  },
  {
    slug: "gmail",
    name: "Gmail",
    category: "google",
    auth: "google",
    description: "Sends, reads, finds and answers mail with Gmail.",
    tools: "send_email get_email search_emails reply_to_email",
    config: "user_id=me sender_email",
  },
  {
    slug: "google-calendar",
    name: "Google Calendar",
    category: "google",
    auth: "google",
    description: "Events, attendees and free time in Google Calendar.",
    tools: `get_events get_event_by_id find_busy_free_periods create_event create_quick_event update_event delete_event
      add_attendees_to_event add_calendar_to_list`,
    config: "",
  },
  {
    slug: "google-docs",
    name: "Google Docs",
    category: "google",
    auth: "google",
    description: "Reads, writes and creates Google Docs, also from templates.",
    tools: "read_document append_text find_document create_document_based_on_template create_document",
    config: "",
  },
  {
    slug: "google-drive",
    name: "Google Drive",
    category: "google",
    auth: "google",
    description: "Files, folders and sharing in Google Drive.",
    tools: `search_files list_files get_file_by_id read_file save_file_as_pdf create_folder create_text_file upload_file
      duplicate_file add_permission delete_permission set_public_access move_file trash_file delete_file`,
    config: "",
  },
  {
    slug: "google-form",
    name: "Google Forms",
    category: "google",
    auth: "google",
    description: "Forms, their responses, sharing and watches.",
    tools: `create_form update_form get_form list_forms copy_form rename_form delete_form move_form list_responses
      list_new_responses get_response share_form list_form_permissions revoke_form_permission create_watch delete_watch
      list_watches renew_watch`,
    config: "",
  },
  {
    slug: "google-search",
    name: "Google Search",
    category: "search",
    auth: "api_key",
    description: "Web search with Google.",
    tools: "search",
    config: "APIKey*! ProjectID* AppID* APIBase",
  },
  {
    slug: "google-search-console",
    name: "Google Search Console",
    category: "google",
    auth: "google",
    description: "Search analytics, URL inspection, sites and sitemaps.",
    tools: "search_analytics url_inspection list_sites add_site delete_site list_sitemaps submit_sitemap",
    config: "",
  },
  {
    slug: "google-sheets",
    name: "Google Sheets",
    category: "google",
    auth: "google",
    description: "Rows, worksheets and spreadsheets of Google Sheets.",
    tools: `find_row_by_num find_spreadsheets export_sheet find_worksheet get_rows get_many_rows find_rows insert_multiple_rows
      update_row clear_sheet create_column update_multiple_rows delete_row insert_row format_row delete_worksheet copy_worksheet
      create_spreadsheet create_worksheet rename_worksheet`,
    config: "",
  },
  {
    slug: "google-slides",
    name: "Google Slides",
    category: "google",
    auth: "google",
    description: "Presentations and slides, also from templates.",
    tools: `create_presentation get_presentation add_slide replace_text find_presentations generate_from_template
      refresh_sheets_charts`,
    config: "",
  },
  {
    slug: "google-tasks",
    name: "Google Tasks",
    category: "google",
    auth: "google",
    description: "Tasks and task lists of Google Tasks.",
    tools: `update_tasklist get_task create_task delete_task move_task clear_completed_tasks create_tasklist delete_tasklist
      list_tasks update_task list_tasklists get_tasklist`,
    config: "",
  },
  {
    slug: "healthcare",
    name: "Healthcare (mock)",
    category: "demo",
    auth: "none",
    status: "preview",
    description: "A made-up clinic for demonstrations: patients, diagnosis, medication, scheduling. Nothing leaves the machine.",
    tools: `patient.lookup patient.history diagnosis.analyze medication.check medication.prescribe scheduling.find_slot
      scheduling.book notification.send generate_summary`,
    config: "",
  },
  {
    slug: "linkedin",
    name: "LinkedIn",
    category: "social",
    auth: "api_key",
    description: "Posts, images and organizations of LinkedIn.",
    tools: `linkedin_get_userinfo linkedin_list_organizations linkedin_create_share_update linkedin_create_company_update
      linkedin_upload_image linkedin_list_posts linkedin_get_post linkedin_delete_post linkedin_custom_api_call`,
    config: "ClientID ClientSecret! RefreshToken! AccessToken! LinkedInVersion APIBase TokenURL",
  },
  {
    slug: "mongodb",
    name: "MongoDB",
    category: "database",
    auth: "dsn",
    description: "Finds, counts, aggregates, inserts, updates and deletes documents of MongoDB.",
    tools: `mongodb_update_many mongodb_count_documents mongodb_aggregate mongodb_delete_one mongodb_delete_many mongodb_find
      mongodb_find_one mongodb_insert_one mongodb_update_one`,
    config: "mongodb_uri*! mongodb_database* mongodb_request_timeout_seconds=30",
  },
  {
    slug: "mysql",
    name: "MySQL",
    category: "database",
    auth: "dsn",
    description: "SQL, query plans and the health of tables of MySQL.",
    tools: `mysql_list_active_queries mysql_list_tables_missing_unique_indexes mysql_list_table_fragmentation
      mysql_list_table_stats mysql_execute_sql mysql_list_tables mysql_get_query_plan`,
    config: "mysql_host* mysql_port=3306 mysql_database* mysql_user* mysql_password*! mysql_query_timeout_seconds=30",
  },
  {
    slug: "neo4j",
    name: "Neo4j",
    category: "database",
    auth: "dsn",
    description: "Cypher queries and writes on Neo4j.",
    tools: "neo4j_query_read neo4j_execute_write neo4j_schema neo4j_ping",
    config: "neo4j_uri* neo4j_username* neo4j_password*! neo4j_database=neo4j",
  },
  {
    slug: "notion",
    name: "Notion",
    category: "productivity",
    auth: "api_key",
    description: "Pages, databases, blocks and comments of Notion.",
    tools: `notion_search notion_retrieve_database notion_find_database_item notion_create_database_item
      notion_update_database_item notion_archive_database_item notion_restore_database_item notion_find_page notion_create_page
      notion_append_to_page notion_get_page_or_block_children notion_add_comment notion_get_page_comments
      notion_custom_api_call`,
    config: "notion_access_token*! notion_api_base notion_notion_version=2022-02-22",
  },
  {
    slug: "openaiimage",
    name: "OpenAI Image",
    category: "media",
    auth: "api_key",
    description: "Makes, edits and varies images with OpenAI.",
    tools: "openai_text_to_image openai_edit_image openai_image_variation",
    config: "APIKey*! DefaultModel APIBase",
  },
  {
    slug: "postgres",
    name: "PostgreSQL",
    category: "database",
    auth: "dsn",
    description: "Queries, statements and the schema of PostgreSQL.",
    tools: `postgres_health postgres_query postgres_exec postgres_list_tables postgres_describe_table postgres_list_schemas
      postgres_list_indexes postgres_get_table_ddl postgres_explain_query`,
    config: "postgres_dsn*! postgres_request_timeout_sec=30 postgres_max_open_conns=10 postgres_max_idle_conns=5",
  },
  {
    slug: "reddit",
    name: "Reddit",
    category: "social",
    auth: "api_key",
    description: "Posts and comments of Reddit.",
    tools: `retrieve_reddit_post get_reddit_post_details fetch_post_comments create_reddit_post create_reddit_comment
      edit_reddit_post_or_comment delete_reddit_post_or_comment reddit_custom_api_call`,
    config: "ClientID* ClientSecret*! RefreshToken*! UserAgent RequestTimeoutSecond# OAuthBaseURL TokenURL",
  },
  {
    slug: "redis",
    name: "Redis",
    category: "database",
    auth: "dsn",
    description: "Keys, counters, expiry and any command of Redis.",
    tools: "redis_run_command redis_ttl redis_decr redis_get redis_set redis_del redis_exists redis_expire redis_incr",
    config: "redis_addr=127.0.0.1:6379 redis_username redis_password! redis_db=0",
  },
  {
    slug: "resend",
    name: "Resend",
    category: "communication",
    auth: "api_key",
    description: "Sends mail with Resend and lists its audiences.",
    tools: "send_email list_audiences",
    config: "APIKey*! FromEmail* APIBase AudienceID",
  },
  {
    slug: "rss",
    name: "RSS",
    category: "web",
    auth: "none",
    description: "Reads RSS and Atom feeds.",
    tools: "rss_fetch_items rss_fetch_items_multi",
    config: "user_agent request_timeout_seconds#",
  },
  {
    slug: "shopify",
    name: "Shopify",
    category: "commerce",
    auth: "api_key",
    description: "Products, orders, customers, inventory and fulfilments of a Shopify shop.",
    tools: `get_shopify_shop list_shopify_products get_shopify_product create_shopify_product update_shopify_product
      delete_shopify_product list_shopify_orders get_shopify_order list_shopify_customers get_shopify_customer
      create_shopify_customer list_shopify_inventory_levels adjust_shopify_inventory list_shopify_fulfillments
      shopify_admin_rest`,
    config: "shopify_shop* shopify_admin_access_token*! shopify_api_version=2026-04 shopify_request_timeout_seconds=30",
  },
  {
    slug: "slack",
    name: "Slack",
    category: "communication",
    auth: "api_key",
    status: "placeholder",
    description: "Planned: messages, channels and reactions of Slack. No tools are registered yet.",
    tools: "",
    config: "APIToken*!",
  },
  {
    slug: "sqlite",
    name: "SQLite",
    category: "database",
    auth: "none",
    description: "Queries and statements on SQLite files of this machine. Works without a network.",
    tools: `sqlite_get_database_info sqlite_query sqlite_list_views sqlite_get_table_schema sqlite_list_indexes sqlite_execute
      sqlite_execute_sql sqlite_list_tables sqlite_describe_table sqlite_sample_table_rows`,
    config: `sqlite_data_root sqlite_default_database_path sqlite_query_timeout_seconds=30 sqlite_max_rows=1000
      sqlite_allow_write=false`,
    notes: {
      sqlite_data_root:
        "Folder that holds the databases. Empty: the project's own folder. Relative to that folder, or a folder that the operator allows.",
      sqlite_default_database_path: "The file that a call means which names none, relative to the data root.",
      sqlite_query_timeout_seconds: "A call that takes longer is stopped.",
      sqlite_max_rows: "Rows of one answer at the most.",
      sqlite_allow_write: "Whether sqlite_execute and sqlite_execute_sql may change anything.",
    },
  },
  {
    slug: "vapi",
    name: "Vapi",
    category: "communication",
    auth: "api_key",
    description: "Voice assistants of Vapi.",
    tools: "list_assistants get_assistant",
    config: "APIKey*! APIBase",
  },
  {
    slug: "whatsapp",
    name: "WhatsApp Business",
    category: "communication",
    auth: "whatsapp",
    description: "Sends messages, media and templates with the WhatsApp Business platform.",
    tools: "send_message send_media send_template_message list_phone_numbers list_message_templates",
    config: "access_token*! business_account_id* phone_number_id api_base=https://graph.facebook.com api_version=v20.0",
    notes: { phone_number_id: "Recommended: the number that sends, unless a call names another." },
  },
  {
    slug: "wrike",
    name: "Wrike",
    category: "project management",
    auth: "api_key",
    description: "Spaces, folders, projects, tasks and comments of Wrike.",
    tools: `wrike_list_spaces wrike_list_contacts wrike_get_folder wrike_find_folder wrike_list_folder_subfolders
      wrike_create_folder wrike_create_project wrike_create_task wrike_get_task wrike_find_task wrike_search_tasks
      wrike_list_folder_tasks wrike_update_task wrike_delete_task wrike_add_comment wrike_upload_attachment
      wrike_custom_api_call`,
    config: "AccessToken*! APIBase HTTPTimeout#",
  },
  {
    slug: "youtube",
    name: "YouTube",
    category: "social",
    auth: "api_key",
    description: "Channels, videos, playlists, comments and subscriptions of YouTube.",
    tools: `youtube_resolve_channel_id youtube_list_channel_videos_rss youtube_get_channel youtube_get_video youtube_list_videos
      youtube_search youtube_list_channel_videos youtube_list_playlists youtube_list_playlist_items youtube_get_comment_threads
      youtube_insert_comment youtube_reply_comment youtube_subscriptions_list youtube_subscriptions_insert
      youtube_subscriptions_delete youtube_rate_video youtube_custom_api_call`,
    config: "AccessToken! APIBase UserAgent TimeoutSec#",
  },
]
