"""Names of the protocol's enums in the SEP-51 form, in the order of their numbers.

Written out, because stellar-sdk takes 0.6 s and 32 MB to import, in each process. Source:
Stellar-transaction.x and Stellar-contract-config-setting.x.
"""

#: By operation type, in the order of OperationType: its result codes, which are 0, -1 and so on.
OPERATION_RESULTS = {
    "create_account": "success malformed underfunded low_reserve already_exist",
    "payment": (
        "success malformed underfunded src_no_trust src_not_authorized no_destination no_trust "
        "not_authorized line_full no_issuer"
    ),
    "path_payment_strict_receive": (
        "success malformed underfunded src_no_trust src_not_authorized no_destination no_trust "
        "not_authorized line_full no_issuer too_few_offers offer_cross_self over_sendmax"
    ),
    "manage_sell_offer": (
        "success malformed sell_no_trust buy_no_trust sell_not_authorized buy_not_authorized "
        "line_full underfunded cross_self sell_no_issuer buy_no_issuer not_found low_reserve"
    ),
    "create_passive_sell_offer": (
        "success malformed sell_no_trust buy_no_trust sell_not_authorized buy_not_authorized "
        "line_full underfunded cross_self sell_no_issuer buy_no_issuer not_found low_reserve"
    ),
    "set_options": (
        "success low_reserve too_many_signers bad_flags invalid_inflation cant_change unknown_flag "
        "threshold_out_of_range bad_signer invalid_home_domain auth_revocable_required"
    ),
    "change_trust": (
        "success malformed no_issuer invalid_limit low_reserve self_not_allowed trust_line_missing "
        "cannot_delete not_auth_maintain_liabilities"
    ),
    "allow_trust": (
        "success malformed no_trust_line trust_not_required cant_revoke self_not_allowed "
        "low_reserve"
    ),
    "account_merge": (
        "success malformed no_account immutable_set has_sub_entries seqnum_too_far dest_full "
        "is_sponsor"
    ),
    "inflation": "success not_time",
    "manage_data": "success not_supported_yet name_not_found low_reserve invalid_name",
    "bump_sequence": "success bad_seq",
    "manage_buy_offer": (
        "success malformed sell_no_trust buy_no_trust sell_not_authorized buy_not_authorized "
        "line_full underfunded cross_self sell_no_issuer buy_no_issuer not_found low_reserve"
    ),
    "path_payment_strict_send": (
        "success malformed underfunded src_no_trust src_not_authorized no_destination no_trust "
        "not_authorized line_full no_issuer too_few_offers offer_cross_self under_destmin"
    ),
    "create_claimable_balance": "success malformed low_reserve no_trust not_authorized underfunded",
    "claim_claimable_balance": (
        "success does_not_exist cannot_claim line_full no_trust not_authorized trustline_frozen"
    ),
    "begin_sponsoring_future_reserves": "success malformed already_sponsored recursive",
    "end_sponsoring_future_reserves": "success not_sponsored",
    "revoke_sponsorship": (
        "success does_not_exist not_sponsor low_reserve only_transferable malformed"
    ),
    "clawback": "success malformed not_clawback_enabled no_trust underfunded",
    "clawback_claimable_balance": "success does_not_exist not_issuer not_clawback_enabled",
    "set_trust_line_flags": "success malformed no_trust_line cant_revoke invalid_state low_reserve",
    "liquidity_pool_deposit": (
        "success malformed no_trust not_authorized underfunded line_full bad_price pool_full "
        "trustline_frozen"
    ),
    "liquidity_pool_withdraw": (
        "success malformed no_trust underfunded line_full under_minimum trustline_frozen"
    ),
    "invoke_host_function": (
        "success malformed trapped resource_limit_exceeded entry_archived "
        "insufficient_refundable_fee"
    ),
    "extend_footprint_ttl": "success malformed resource_limit_exceeded insufficient_refundable_fee",
    "restore_footprint": "success malformed resource_limit_exceeded insufficient_refundable_fee",
}
#: Names of OperationType, by number.
OPERATION_TYPES = tuple(OPERATION_RESULTS)

#: OperationResultCode without its prefix `op_`: 0, -1 and so on.
OPERATION_CODES = (
    "inner bad_auth no_account not_supported too_many_subentries exceeded_work_limit "
    "too_many_sponsoring"
)
#: TransactionResultCode without its prefix `tx_`: 1, 0, -1 and so on.
TRANSACTION_CODES = (
    "fee_bump_inner_success success failed too_early too_late missing_operation bad_seq bad_auth "
    "insufficient_balance no_account insufficient_fee bad_auth_extra internal_error not_supported "
    "fee_bump_inner_failed bad_sponsorship bad_min_seq_age_or_gap malformed soroban_invalid "
    "frozen_key_accessed"
)
#: ConfigSettingID.
CONFIG_SETTINGS = (
    "contract_max_size_bytes contract_compute_v0 contract_ledger_cost_v0 "
    "contract_historical_data_v0 contract_events_v0 contract_bandwidth_v0 "
    "contract_cost_params_cpu_instructions contract_cost_params_memory_bytes "
    "contract_data_key_size_bytes contract_data_entry_size_bytes state_archival "
    "contract_execution_lanes live_soroban_state_size_window eviction_iterator "
    "contract_parallel_compute_v0 contract_ledger_cost_ext_v0 scp_timing frozen_ledger_keys "
    "frozen_ledger_keys_delta freeze_bypass_txs freeze_bypass_txs_delta"
)
