#!/usr/bin/python3
"""
make — writes the invented databases of this folder again; see README.md
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from wp.mmdb import U16, U32, U64, Database  # noqa: E402


def dbip_asn():
    db = Database("DBIP-ASN-Lite", record_size=28)
    db.add("127.1.0.0/16", {"autonomous_system_number": U32(4134),
                            "autonomous_system_organization": "Chinanet"})
    db.add("2001:db8:1::/48", {"autonomous_system_number": U32(65536)})
    return db


def dbip_city():
    """No code for the subdivision, as in the free edition."""
    db = Database("DBIP-City-Lite", record_size=32)
    db.add("127.1.0.0/16", {"city": {"names": {"en": "Beijing"}},
                            "continent": {"code": "AS", "geoname_id": U32(1),
                                          "names": {"de": "Asien", "en": "Asia"}},
                            "country": {"iso_code": "CN", "is_in_european_union": False,
                                        "names": {"de": "China", "en": "China"}},
                            "location": {"latitude": 39.9, "longitude": 116.4},
                            "subdivisions": [{"names": {"en": "Beijing"}}]})
    return db


def ipinfo_lite():
    db = Database("ipinfo generic_lite_mmdb_v1.mmdb")
    db.add("127.1.0.0/16", {"as_domain": "chinatelecom.com.cn", "as_name": "CHINANET",
                            "asn": "AS4134", "continent": "Asia", "continent_code": "AS",
                            "country": "China", "country_code": "CN"})
    db.add("127.2.0.0/16", {"continent": "Africa", "continent_code": "AF", "country": "Namibia",
                            "country_code": "NA"})
    return db


def ipinfo_older():
    """country is the code here."""
    db = Database("ipinfo country_asn.mmdb", ip_version=4)
    db.add("127.1.0.0/16", {"as_name": "CHINANET", "asn": "AS4134", "continent": "AS",
                            "continent_name": "Asia", "country": "CN", "country_name": "China"})
    db.add("127.3.0.0/16", {"region_code": "BY", "country": "DE", "continent": "EU", "asn": ""})
    return db


def flat_country():
    db = Database("ip-location-db", record_size=28)
    db.add("127.1.0.0/16", {"country_code": "CN"})
    return db


def wide():
    """Numbers in other widths, odd values, and records one would not expect."""
    db = Database("Own-ASN", own={"nested": [True, 1.5, b"x"]})
    db.add("127.1.0.0/16", {"asn": U16(4134), "organization": "x" * 70000})
    db.add("127.2.0.0/16", {"traits": {"autonomous_system_number": U64(4837)}})
    db.add("127.3.0.0/16", {"autonomous_system_number": U64(1 << 40), "country": {"iso_code": "d"}})
    db.add("127.4.0.0/16", {"country": ["CN"], "continent": {"code": U32(7)}, "asn": "AS12x"})
    db.add("127.5.0.0/16", {})
    return db


FILES = {"dbip-asn.mmdb": dbip_asn, "dbip-city.mmdb": dbip_city, "ipinfo-lite.mmdb": ipinfo_lite,
         "ipinfo-older.mmdb": ipinfo_older, "flat-country.mmdb": flat_country,
         "wide-asn.mmdb": wide, "nothing.mmdb": lambda: Database("Nothing")}

if __name__ == "__main__":
    for name, make in FILES.items():
        make().write(os.path.join(HERE, name))
