--
-- PostgreSQL database dump
--

SET statement_timeout = 0;

COPY auth.identities (provider_id, user_id) FROM stdin;
x	y
\.

COPY auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, invited_at, confirmation_token, raw_app_meta_data, raw_user_meta_data, is_super_admin, created_at, updated_at, phone, phone_confirmed_at, confirmed_at, banned_until, is_sso_user, deleted_at, is_anonymous) FROM stdin;
00000000-0000-0000-0000-000000000000	dd2e1609-6e36-4ab0-91bc-52d9230d977e	authenticated	authenticated	li@supabase.example	$2a$10$DZkfaQlNpiSoxZvKjfIycuw9/Xe.rJYzOt2X/xDeY/qpObnyik.k.	2023-01-26 07:34:00+00	\N		{"provider": "email", "providers": ["email"]}	{"full_name": "Li Lei", "avatar_url": "https://supabase.example/li.png"}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	\N	\N	2023-01-26 07:34:00+00	\N	false	\N	false
00000000-0000-0000-0000-000000000000	6a50df4d-b4d6-4a3a-8746-9a4d8cdb305f	authenticated	authenticated	han@supabase.example	$2a$10$Gc2mHrZuPl3YW2dX6eYj3O9cqPyJfqXJawD3erYMCUZTpgw.j/OiS	\N	\N		{"provider": "email", "providers": ["email"]}	{"name": "韩梅梅"}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	\N	\N	\N	\N	false	\N	false
00000000-0000-0000-0000-000000000000	e25a7605-aec6-4024-9bd8-6d40fc891b4a	authenticated	authenticated	wang@supabase.example	$2y$10$HkUzhnYeLRTexUP75/ySNeWrWtjrEvE9csm8llNn5Vh994C4gLARe	\N	\N		{"provider": "email", "providers": ["email"]}	{}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	\N	\N	\N	\N	false	\N	false
00000000-0000-0000-0000-000000000000	26a2c0bd-3b12-47ff-b52d-df5d616499c9	authenticated	authenticated	zhao@supabase.example	$2b$10$BStXWZn7Mp3TyrIBGw0Q7OWL.moKOyJOOeYOti5BYtz9bD1VPGo9q	\N	\N		{"provider": "email", "providers": ["email"]}	{}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	\N	\N	\N	\N	false	\N	false
00000000-0000-0000-0000-000000000000	3b618676-26bb-4dbd-ad1c-9af0153e7c2a	authenticated	authenticated	qian@supabase.example	$argon2id$v=19$m=102400,t=2,p=8$TmFDbE5hQ2xOYUNs$H7vkz0/1YI7hMer1vjXxFeseXHH2SuOFf2BC0WTtYII	\N	\N		{"provider": "email", "providers": ["email"]}	{}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	\N	\N	\N	\N	false	\N	false
00000000-0000-0000-0000-000000000000	7c26847f-0316-409e-bbbb-e9eaa8948c89	authenticated	authenticated	\N	$2a$10$3q5sk/aKfeKR9.Bqittj5.j3uU8xSqHeV5m6l8JXIGzgPi51nuD5W	\N	\N		{"provider": "email", "providers": ["email"]}	{}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	8613800000301	2023-01-26 07:34:00+00	\N	\N	false	\N	false
00000000-0000-0000-0000-000000000000	43435cc5-2eae-45cf-96d0-cc5fd4c28c2e	authenticated	authenticated	oauth@supabase.example	\N	\N	\N		{"provider": "email", "providers": ["email"]}	{}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	\N	\N	\N	\N	false	\N	false
00000000-0000-0000-0000-000000000000	6b4013ef-254b-4c4e-810c-4759482c9cbc	authenticated	authenticated	gone@supabase.example	$2a$10$nxfzL5YK2DUmZ6w/A96.luhVTrIOgM1PiRFs3tPWED2Ajiy4ywQ6e	\N	\N		{"provider": "email", "providers": ["email"]}	{}	\N	2023-01-26 07:33:04.123456+00	2023-02-01 00:00:00+00	\N	\N	\N	\N	false	2024-01-01 00:00:00+00	false
\.

--
-- PostgreSQL database dump complete
--
